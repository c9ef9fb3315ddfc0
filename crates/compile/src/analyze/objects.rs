//! Objects by kind, with what they say.

use std::collections::BTreeSet;

use ripstop_api::{Kind, Spec, istio};
use ripstop_model::Visibility;

use super::Mesh;
use crate::{Declared, declare::of_kind};

pub(crate) fn virtual_services<'a>(
    mesh: &Mesh<'a>,
) -> impl Iterator<Item = (&'a Declared, &'a istio::VirtualService)> + use<'a> {
    of_kind(mesh.objects, Kind::VirtualService).filter_map(|declared| match &declared.object.spec {
        Spec::VirtualService(written) => Some((declared, &**written)),
        _ => None,
    })
}

/// Whether it is for calls in the mesh.
pub(crate) fn acts_in_mesh(written: &istio::VirtualService) -> bool {
    written.gateways.is_empty() || written.gateways.iter().any(|gateway| gateway == "mesh")
}

pub(crate) fn destination_rules<'a>(
    mesh: &Mesh<'a>,
) -> impl Iterator<Item = (&'a Declared, &'a istio::DestinationRule)> + use<'a> {
    of_kind(mesh.objects, Kind::DestinationRule).filter_map(|declared| match &declared.object.spec {
        Spec::DestinationRule(written) => Some((declared, &**written)),
        _ => None,
    })
}

pub(crate) fn gateways<'a>(mesh: &Mesh<'a>) -> impl Iterator<Item = (&'a Declared, &'a istio::Gateway)> + use<'a> {
    of_kind(mesh.objects, Kind::Gateway).filter_map(|declared| match &declared.object.spec {
        Spec::Gateway(written) => Some((declared, &**written)),
        _ => None,
    })
}

pub(crate) fn service_entries<'a>(
    mesh: &Mesh<'a>,
) -> impl Iterator<Item = (&'a Declared, &'a istio::ServiceEntry)> + use<'a> {
    of_kind(mesh.objects, Kind::ServiceEntry).filter_map(|declared| match &declared.object.spec {
        Spec::ServiceEntry(written) => Some((declared, &**written)),
        _ => None,
    })
}

/// A place in a `VirtualService` where traffic goes.
pub(crate) struct Target<'a> {
    /// `spec.http[0].route[0].destination`.
    pub(crate) path: String,
    pub(crate) destination: &'a istio::Destination,
}

/// All places where traffic of an object goes: routes, and copies.
pub(crate) fn targets(written: &istio::VirtualService) -> Vec<Target<'_>> {
    let mut found = Vec::new();
    let mut add = |path: String, destination| found.push(Target { path, destination });
    for (index, rule) in written.http.iter().enumerate() {
        for (at, route) in rule.route.iter().enumerate() {
            add(format!("spec.http[{index}].route[{at}].destination"), &route.destination);
        }
        if let Some(mirror) = &rule.mirror {
            add(format!("spec.http[{index}].mirror"), mirror);
        }
        for (at, mirror) in rule.mirrors.iter().enumerate() {
            add(format!("spec.http[{index}].mirrors[{at}].destination"), &mirror.destination);
        }
    }
    for (index, rule) in written.tls.iter().enumerate() {
        for (at, route) in rule.route.iter().enumerate() {
            add(format!("spec.tls[{index}].route[{at}].destination"), &route.destination);
        }
    }
    for (index, rule) in written.tcp.iter().enumerate() {
        for (at, route) in rule.route.iter().enumerate() {
            add(format!("spec.tcp[{index}].route[{at}].destination"), &route.destination);
        }
    }
    found
}

/// Namespaces that an object of `namespace` is certainly seen from: its own, and those that it names.
pub(crate) fn named_callers<'v>(namespace: &'v str, visibility: &'v Visibility) -> BTreeSet<&'v str> {
    let mut callers = BTreeSet::from([namespace]);
    if let Visibility::Namespaces(namespaces) = visibility {
        callers.extend(namespaces.iter().map(|namespace| &**namespace));
    }
    callers
}

//! Where a question is decided.

use std::{net::IpAddr, sync::Arc};

use ripstop_api::{Kind, ObjectId, Spec, ripstop::ProcessRole};
use ripstop_compile::Objects;
use ripstop_decide::{Callee, Program, Role, departure};
use ripstop_model::{Admission, Health, Labels, ProcessKind, TunnelProtocol, Waypoint, Workload};

use crate::{
    Error,
    check::hypothetical,
    parties::{Caller, Destination, workload},
};

/// Where it is decided.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Node,
    Sidecar,
    /// The waypoint of what is called; nothing: one that is only asked about.
    Waypoint(Option<Arc<GatewayProxy>>),
    Gateway(Arc<GatewayProxy>),
}

/// A proxy of a gateway or waypoint.
#[derive(Clone, Debug)]
pub(crate) struct GatewayProxy {
    /// The workload, or one that stands in for it.
    pub(crate) workload: Arc<Workload>,
    /// Whether there is such a workload, so that its identity is known.
    pub(crate) is_known: bool,
    /// The same, as those see it whom it calls.
    calls: Arc<Workload>,
    /// As it was named.
    pub(crate) told: String,
    /// What is to be said about it.
    pub(crate) note: Option<String>,
}

// === impl Place ===

impl Place {
    pub(crate) fn read(program: &Program, text: &str) -> Result<Self, Error> {
        match text.trim() {
            "" | "node" => Ok(Self::Node),
            "sidecar" => Ok(Self::Sidecar),
            "waypoint" => Ok(Self::Waypoint(None)),
            "gateway" => Ok(Self::gateway(program, &[("istio".into(), "ingressgateway".into())].into())),
            other => {
                let which = other.strip_prefix("gateway:").filter(|which| !which.is_empty());
                let which = which.ok_or_else(|| Error::Place(other.into()))?;
                if !which.contains('=') {
                    let workload = workload(program, which)?;
                    let told = format!("{}/{}", workload.namespace, workload.name);
                    return Ok(Self::Gateway(Arc::new(GatewayProxy {
                        calls: workload.clone(),
                        workload,
                        is_known: true,
                        told,
                        note: None,
                    })));
                }
                let pair = |pair: &str| {
                    let (key, value) = pair.split_once('=').filter(|(key, _)| !key.trim().is_empty())?;
                    Some((key.trim().into(), value.trim().into()))
                };
                let labels: Option<Labels> = which.split(',').map(pair).collect();
                Ok(Self::gateway(program, &labels.ok_or_else(|| Error::Place(other.into()))?))
            }
        }
    }

    /// The gateway proxy with those labels, preferably of the root namespace.
    fn gateway(program: &Program, labels: &Labels) -> Self {
        let root = &program.mesh().root_namespace;
        let has = |workload: &&Arc<Workload>| {
            labels.iter().all(|(key, value)| workload.labels.get(key).is_some_and(|own| own == value))
        };
        let mut found: Vec<&Arc<Workload>> = program.workloads().filter(has).collect();
        found.sort_by_key(|workload| (workload.namespace != *root, &workload.namespace, &workload.name));
        let wanted: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let wanted = wanted.join(", ");
        let Some(first) = found.first() else {
            let note = format!(
                "no workload has the labels {wanted}: the gateway is taken to be one of {root} whose identity is not known"
            );
            let workload = hypothetical(&format!("{root}/gateway"), labels);
            return Self::Gateway(Arc::new(GatewayProxy {
                calls: workload.clone(),
                workload,
                is_known: false,
                told: wanted,
                note: Some(note),
            }));
        };
        let told = format!("{}/{}", first.namespace, first.name);
        let others = found.iter().any(|other| {
            (&other.namespace, &other.labels, &other.service_account)
                != (&first.namespace, &first.labels, &first.service_account)
        });
        let note = others.then(|| {
            format!("several gateways have the labels {wanted}: {told} is asked; name one with gateway:NAMESPACE/NAME")
        });
        Self::Gateway(Arc::new(GatewayProxy {
            workload: (*first).clone(),
            calls: (*first).clone(),
            is_known: true,
            told,
            note,
        }))
    }

    /// The same, where nobody said which, in the light of who calls: whoever asks for a proxy of its own is decided about
    /// there.
    pub(crate) fn of(self, via: &str, caller: &Caller) -> Self {
        match (self, caller) {
            (Self::Node, Caller::Workload(caller)) if via.trim().is_empty() && caller.has_sidecar() => Self::Sidecar,
            (place, _) => place,
        }
    }

    /// The same in the light of who calls what: calls of who has a proxy, of services that have a waypoint, are decided
    /// there, if it is.
    pub(crate) fn towards(self, program: &Program, caller: &Caller, destination: &Destination) -> Self {
        let goes = match (&self, caller) {
            (Self::Waypoint(_), _) | (Self::Node | Self::Sidecar, Caller::Identity(_)) => true,
            (Self::Node | Self::Sidecar, Caller::Workload(caller)) => {
                caller.tunnel == TunnelProtocol::Hbone && caller.kind == ProcessKind::Command
            }
            (Self::Gateway(_), _) | (Self::Node | Self::Sidecar, Caller::Address(_) | Caller::Outside) => false,
        };
        let waypoint = destination.callee(program, caller.namespace()).filter(|_| goes);
        let is_workload = matches!(waypoint, Some(Callee::Workload(_)));
        let admitted = |waypoint: &&Waypoint| waypoint.admission == Admission::Admitted;
        let waypoint = waypoint.and_then(|callee| callee.waypoint().filter(admitted).cloned());
        let Some(waypoint) = waypoint else { return self };
        // Who calls itself, or nothing but what is declared, goes through none.
        let leads = || destination.through_waypoint(program, caller).is_some();
        if is_workload && matches!(self, Self::Node | Self::Sidecar) && !leads() {
            return self;
        }
        let ready = |one: &&Arc<Workload>| one.kind == ProcessKind::Waypoint && one.health == Health::Healthy;
        // Its canary decides alike.
        let mut instances = waypoint.services().flat_map(|service| program.endpoints(service));
        let Some(instance) = instances.find(ready) else { return self };
        // Whom quarantine keeps from it is told so where it calls.
        let kept = |caller: &Workload| departure(caller, Some(instance), TunnelProtocol::Hbone).is_some();
        if matches!(self, Self::Node | Self::Sidecar) && caller.workload().is_some_and(|caller| kept(caller)) {
            return self;
        }
        Self::Waypoint(Some(Arc::new(GatewayProxy {
            workload: instance.clone(),
            calls: instance.clone(),
            is_known: true,
            told: format!("{}/{}", instance.namespace, instance.name),
            note: None,
        })))
    }

    /// The same in the light of what is declared: a gateway of the mesh is not captured, and calls with its identity all
    /// the same.
    pub(crate) fn declared_in(self, objects: &Objects) -> Self {
        let Self::Gateway(proxy) = &self else { return self };
        let Workload { namespace, workload_name: name, .. } = &*proxy.workload;
        let id = ObjectId { kind: Kind::Process, namespace: namespace.to_string(), name: name.to_string() };
        let spec = objects.get(&id).map(|declared| &declared.object.spec);
        let is_gateway = matches!(spec, Some(Spec::Process(process)) if process.role == ProcessRole::Gateway);
        if !is_gateway || !proxy.is_known {
            return self;
        }
        let calls = Arc::new(Workload { tunnel: TunnelProtocol::Hbone, ..Workload::clone(&proxy.workload) });
        Self::Gateway(Arc::new(GatewayProxy { calls, ..GatewayProxy::clone(proxy) }))
    }

    pub(crate) fn proxy(&self) -> Option<&GatewayProxy> {
        match self {
            Self::Gateway(proxy) | Self::Waypoint(Some(proxy)) => Some(proxy),
            _ => None,
        }
    }

    /// What is called at a waypoint.
    pub(crate) fn served(&self, destination: &Destination, program: &Program, caller: &Caller) -> Option<Callee> {
        if matches!(self, Self::Waypoint(_)) { destination.callee(program, caller.namespace()) } else { None }
    }

    /// What decides about the call, as far as waypoints go.
    pub(crate) fn kind(&self, caller: &Caller) -> ProcessKind {
        match self {
            Self::Node | Self::Sidecar => caller.workload().map_or(ProcessKind::Command, |workload| workload.kind),
            Self::Waypoint(_) => ProcessKind::Waypoint,
            Self::Gateway(_) => ProcessKind::Gateway,
        }
    }

    /// Its role in a call of `called`, at `address` if one was written.
    pub(crate) fn role<'a>(&'a self, called: Option<&'a Callee>, address: Option<IpAddr>) -> Role<'a> {
        match self {
            Self::Node => Role::Node,
            Self::Sidecar => Role::Sidecar,
            Self::Waypoint(proxy) => Role::Waypoint { called: called.filter(|_| proxy.is_some()) },
            Self::Gateway(proxy) => {
                Role::Gateway { labels: &proxy.workload.labels, namespace: &proxy.workload.namespace, address }
            }
        }
    }

    /// For people.
    pub(crate) fn told(&self, caller: &Caller) -> String {
        match (self, caller.workload()) {
            (Self::Node, Some(workload)) => {
                format!("route: proxy of the caller's node {} (by the address that is called)", workload.node)
            }
            (Self::Node, None) => "route: the caller's node (by the address that is called)".into(),
            (Self::Sidecar, Some(workload)) if workload.has_sidecar() => {
                format!("route: the caller's sidecar-{}.{} (by Host)", workload.namespace, workload.name)
            }
            (Self::Sidecar, _) => "route: the caller's own proxy (by Host)".into(),
            (Self::Waypoint(None), _) => "route: the waypoint of the service".into(),
            (Self::Waypoint(Some(proxy)), _) => {
                format!("authorization and route: the waypoint {}, to which the caller's node passes it", proxy.told)
            }
            (Self::Gateway(proxy), _) => format!("authorization and route: the gateway {}", proxy.told),
        }
    }
}

// === impl GatewayProxy ===

impl GatewayProxy {
    /// Who calls on behalf of the gateway; nothing: nobody knows its identity. One that is no workload of the
    /// mesh calls as whoever the question names.
    pub(crate) fn caller(&self, asked: &Caller) -> Option<Caller> {
        match (self.is_known, asked) {
            (true, _) => Some(Caller::Workload(self.calls.clone())),
            (false, Caller::Workload(_) | Caller::Identity(_)) => Some(asked.clone()),
            (false, Caller::Address(_) | Caller::Outside) => None,
        }
    }
}

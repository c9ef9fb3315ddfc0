//! Workloads.

use std::sync::Arc;

use prost::Message as _;
use ripstop_model::{
    DataplaneMode, Enrolment, EnrolmentLevel, Health, Membership, PortMapping, Quarantine, RuleId, ServiceKey,
    TrustDomain, TunnelProtocol, WaypointCallers, Workload, WorkloadUid,
};

use super::{extension, service_key, waypoint};
use crate::{
    DecodeError, Encoded,
    field::{self, Context},
    process::{kind_from_wire, kind_to_wire},
    ripstop::{self, WorkloadExtension, enrolment},
    type_url, workload as proto,
};

const EXTENSION: &str = "ripstop.dev/workload";

/// The resource of a workload.
pub fn encode_workload(workload: &Workload) -> Encoded {
    let message = proto::Address { r#type: Some(proto::address::Type::Workload(to_wire(workload))) };
    Encoded::new(type_url::ADDRESS, workload.uid.as_str(), &message)
}

fn to_wire(workload: &Workload) -> proto::Workload {
    let extension = WorkloadExtension {
        labels: field::labels_to_wire(&workload.labels),
        enrolment: Some(enrolment_to_wire(&workload.enrolment)),
        quarantine: workload.quarantine.as_deref().map(quarantine_to_wire),
        kind: kind_to_wire(workload.kind).into(),
        group: workload.group.as_deref().map(membership_to_wire),
        waypoint_refuses: waypoint::refuses(workload.waypoint.as_ref()),
    };
    proto::Workload {
        uid: workload.uid.to_string(),
        name: workload.name.to_string(),
        namespace: workload.namespace.to_string(),
        addresses: workload.addresses.iter().copied().map(field::address_bytes).collect(),
        tunnel_protocol: match workload.tunnel {
            TunnelProtocol::None => proto::TunnelProtocol::None,
            TunnelProtocol::Hbone => proto::TunnelProtocol::Hbone,
        }
        .into(),
        trust_domain: workload.trust_domain.to_string(),
        service_account: workload.service_account.to_string(),
        node: workload.node.to_string(),
        canonical_name: workload.canonical_name.to_string(),
        canonical_revision: workload.canonical_revision.to_string(),
        workload_name: workload.workload_name.to_string(),
        native_tunnel: workload.native_tunnel,
        status: match workload.health {
            Health::Healthy => proto::WorkloadStatus::Healthy,
            Health::Unhealthy => proto::WorkloadStatus::Unhealthy,
        }
        .into(),
        cluster_id: workload.cluster.to_string(),
        waypoint: workload.waypoint.as_ref().map(waypoint::to_wire),
        services: workload.services.iter().map(|(key, ports)| (key.to_string(), ports_to_wire(ports))).collect(),
        extensions: vec![proto::Extension {
            name: EXTENSION.to_owned(),
            config: Some(proto::Any {
                type_url: type_url::WORKLOAD_EXTENSION.to_owned(),
                value: extension.encode_to_vec().into(),
            }),
        }],
        ..proto::Workload::default()
    }
}

fn ports_to_wire(ports: &[PortMapping]) -> proto::PortList {
    let port = |mapping: &PortMapping| proto::Port {
        service_port: mapping.service_port.into(),
        target_port: mapping.target_port.into(),
        app_protocol: 0,
    };
    proto::PortList { ports: ports.iter().map(port).collect() }
}

fn enrolment_to_wire(enrolment: &Enrolment) -> ripstop::Enrolment {
    let (key, level) = match &enrolment.decided_by {
        None => (String::new(), enrolment::Level::Undecided),
        Some((key, EnrolmentLevel::Workload)) => (key.to_string(), enrolment::Level::Workload),
        Some((key, EnrolmentLevel::Namespace)) => (key.to_string(), enrolment::Level::Namespace),
    };
    let mode = match enrolment.mode {
        DataplaneMode::None => enrolment::Mode::None,
        DataplaneMode::Node => enrolment::Mode::Node,
        DataplaneMode::Sidecar => enrolment::Mode::Sidecar,
    };
    ripstop::Enrolment { mode: mode.into(), key, level: level.into() }
}

fn quarantine_to_wire(quarantine: &Quarantine) -> ripstop::Quarantine {
    ripstop::Quarantine {
        rule: quarantine.rule.to_string(),
        peers: quarantine.peers.iter().map(ToString::to_string).collect(),
    }
}

/// The model's workload. A foreign one has neither labels nor enrolment; its tunnel alone says how
/// it is reached.
pub(super) fn decode(context: Context<'_>, message: proto::Workload) -> Result<Workload, DecodeError> {
    let uid = context.required("workload.uid", message.uid)?;
    context.named(&uid)?;
    let name = context.required("workload.name", message.name)?;
    let addresses = message
        .addresses
        .iter()
        .enumerate()
        .map(|(i, bytes)| context.address(&format!("workload.addresses[{i}]"), bytes))
        .collect::<Result<_, _>>()?;
    let trust_domain = if message.trust_domain.is_empty() {
        TrustDomain::default()
    } else {
        context.parsed("workload.trust_domain", &message.trust_domain)?
    };
    let tunnel = match context.enumerated("workload.tunnel_protocol", message.tunnel_protocol)? {
        proto::TunnelProtocol::Hbone => TunnelProtocol::Hbone,
        // Istio's sidecar TLS is nothing that a node proxy speaks; ztunnel sends plain there, too.
        proto::TunnelProtocol::None | proto::TunnelProtocol::LegacyIstioMtls => TunnelProtocol::None,
    };
    let health = match context.enumerated("workload.status", message.status)? {
        proto::WorkloadStatus::Healthy => Health::Healthy,
        proto::WorkloadStatus::Unhealthy => Health::Unhealthy,
    };
    let mut services = message
        .services
        .into_iter()
        .map(|(key, ports)| service(context, &key, &ports))
        .collect::<Result<Vec<_>, _>>()?;
    services.sort_by(|a, b| a.0.cmp(&b.0));

    let own = match extension(&message.extensions, EXTENSION, type_url::WORKLOAD_EXTENSION) {
        Some(body) => context.message::<WorkloadExtension>(body)?,
        None => WorkloadExtension::default(),
    };
    let waypoint = message.waypoint.map(|message| {
        waypoint::from_wire(context, "workload", message, WaypointCallers::Workloads, own.waypoint_refuses, None)
    });
    Ok(Workload {
        uid: WorkloadUid::new(uid),
        name,
        namespace: context.required("workload.namespace", message.namespace)?,
        addresses,
        node: message.node.into(),
        service_account: message.service_account.into(),
        trust_domain,
        labels: field::labels_from_wire(own.labels),
        workload_name: message.workload_name.into(),
        canonical_name: message.canonical_name.into(),
        canonical_revision: field::or_default(message.canonical_revision, &Arc::from("latest")),
        tunnel,
        native_tunnel: message.native_tunnel,
        quarantine: own.quarantine.map(|quarantine| cut_off(context, quarantine)).transpose()?.map(Arc::new),
        kind: kind_from_wire(context.enumerated("kind", own.kind)?),
        enrolment: own.enrolment.map_or(Ok(Enrolment::default()), |enrolment| enrolled(context, enrolment))?,
        health,
        services,
        cluster: message.cluster_id.into(),
        group: own.group.map(|group| membership(context, group)).transpose()?.map(Arc::new),
        waypoint: waypoint.transpose()?,
    })
}

fn service(
    context: Context<'_>,
    key: &str,
    ports: &proto::PortList,
) -> Result<(ServiceKey, Vec<PortMapping>), DecodeError> {
    let field = || format!("workload.services[{key:?}]");
    let key = service_key(key).ok_or_else(|| context.error(field(), "expected <namespace>/<hostname>"))?;
    let mut mappings = Vec::with_capacity(ports.ports.len());
    for port in &ports.ports {
        mappings.push(PortMapping {
            service_port: context.port(&format!("{}.service_port", field()), port.service_port)?,
            target_port: context.port(&format!("{}.target_port", field()), port.target_port)?,
        });
    }
    Ok((key, mappings))
}

fn membership_to_wire(member: &Membership) -> ripstop::Membership {
    ripstop::Membership {
        group: member.group.to_string(),
        weight: member.weight,
        ports: member.ports.iter().map(|(name, port)| (name.to_string(), u32::from(*port))).collect(),
    }
}

fn membership(context: Context<'_>, message: ripstop::Membership) -> Result<Membership, DecodeError> {
    let port = |(name, port): (String, u32)| Ok((name.into(), context.port("group.ports", port)?));
    Ok(Membership {
        group: context.required("group.group", message.group)?,
        weight: message.weight.max(1),
        ports: message.ports.into_iter().map(port).collect::<Result<_, _>>()?,
    })
}

fn cut_off(context: Context<'_>, message: ripstop::Quarantine) -> Result<Quarantine, DecodeError> {
    Ok(Quarantine {
        rule: RuleId(context.required("quarantine.rule", message.rule)?),
        peers: context.parsed_all("quarantine.peers", &message.peers)?,
    })
}

fn enrolled(context: Context<'_>, message: ripstop::Enrolment) -> Result<Enrolment, DecodeError> {
    let mode = match context.enumerated("enrolment.mode", message.mode)? {
        enrolment::Mode::None => DataplaneMode::None,
        enrolment::Mode::Node => DataplaneMode::Node,
        enrolment::Mode::Sidecar => DataplaneMode::Sidecar,
    };
    let decided_by = match context.enumerated("enrolment.level", message.level)? {
        enrolment::Level::Undecided => None,
        enrolment::Level::Workload => Some((message.key.into(), EnrolmentLevel::Workload)),
        enrolment::Level::Namespace => Some((message.key.into(), EnrolmentLevel::Namespace)),
    };
    Ok(Enrolment { mode, decided_by })
}

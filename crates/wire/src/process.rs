//! Processes that the mesh runs, named `<namespace>/<name>`.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use ripstop_model::{
    ContainerPort, Probe, ProbeAction, ProbeScheme, ProcessKind, ProcessSpec, ResourceLimits, RestartPolicy,
};

use crate::{
    DecodeError, Encoded,
    field::{self, Context, shared, texts},
    ripstop::{
        self,
        probe::Action,
        process::{Kind, Restart},
    },
    type_url,
};

/// The resource of a process.
pub fn encode_process(process: &ProcessSpec) -> Encoded {
    let message = ripstop::Process {
        namespace: process.namespace.to_string(),
        name: process.name.to_string(),
        labels: field::labels_to_wire(&process.labels),
        node: process.node.to_string(),
        replicas: process.replicas,
        service_account: process.service_account.to_string(),
        command: texts(&process.command),
        args: texts(&process.args),
        env: process
            .env
            .iter()
            .map(|(name, value)| ripstop::EnvVar { name: name.to_string(), value: value.to_string() })
            .collect(),
        ports: process.ports.iter().map(port_to_wire).collect(),
        readiness: process.readiness.as_ref().map(probe_to_wire),
        restart: match process.restart {
            RestartPolicy::Always => Restart::Always,
            RestartPolicy::OnFailure => Restart::OnFailure,
            RestartPolicy::Never => Restart::Never,
        }
        .into(),
        memory_bytes: process.limits.memory_bytes,
        cpu_millis: process.limits.cpu_millis,
        run_as_user: process.run_as_user,
        directory: process.directory.to_string(),
        kind: kind_to_wire(process.kind).into(),
        has_sidecar: process.has_sidecar,
    };
    Encoded::new(type_url::PROCESS, format!("{}/{}", process.namespace, process.name), &message)
}

pub(crate) fn kind_to_wire(kind: ProcessKind) -> Kind {
    match kind {
        ProcessKind::Command => Kind::Command,
        ProcessKind::Gateway => Kind::Gateway,
        ProcessKind::Waypoint => Kind::Waypoint,
    }
}

pub(crate) fn kind_from_wire(kind: Kind) -> ProcessKind {
    match kind {
        Kind::Command => ProcessKind::Command,
        Kind::Gateway => ProcessKind::Gateway,
        Kind::Waypoint => ProcessKind::Waypoint,
    }
}

/// Decodes the resource `name`.
pub fn decode(name: &str, body: &Bytes) -> Result<ProcessSpec, DecodeError> {
    let context = Context::new(type_url::PROCESS, name);
    let message: ripstop::Process = context.message(body)?;
    context.named(&format!("{}/{}", message.namespace, message.name))?;
    if message.run_as_user == 0 {
        return Err(context.error("run_as_user", "0 is the superuser: expected any other"));
    }
    Ok(ProcessSpec {
        namespace: context.required("namespace", message.namespace)?,
        name: context.required("name", message.name)?,
        labels: field::labels_from_wire(message.labels),
        kind: kind_from_wire(context.enumerated("kind", message.kind)?),
        node: message.node.into(),
        replicas: message.replicas,
        service_account: message.service_account.into(),
        command: shared(message.command),
        args: shared(message.args),
        env: message.env.into_iter().map(|var| (var.name.into(), var.value.into())).collect(),
        ports: context.container_ports("ports", message.ports)?,
        readiness: message.readiness.map(|probe| probe_from_wire(context, probe)).transpose()?,
        restart: match context.enumerated("restart", message.restart)? {
            Restart::Always => RestartPolicy::Always,
            Restart::OnFailure => RestartPolicy::OnFailure,
            Restart::Never => RestartPolicy::Never,
        },
        limits: ResourceLimits { memory_bytes: message.memory_bytes, cpu_millis: message.cpu_millis },
        run_as_user: message.run_as_user,
        directory: message.directory.into(),
        has_sidecar: message.has_sidecar,
    })
}

pub(crate) fn port_to_wire(port: &ContainerPort) -> ripstop::ContainerPort {
    ripstop::ContainerPort { name: port.name.to_string(), port: port.port.into(), udp: port.udp }
}

pub(crate) fn probe_to_wire(probe: &Probe) -> ripstop::Probe {
    let action = match &probe.action {
        ProbeAction::HttpGet { path, port, host, scheme, headers } => Action::HttpGet(ripstop::HttpGet {
            path: path.to_string(),
            port: (*port).into(),
            host: host.map(|host| host.to_string()).unwrap_or_default(),
            tls: *scheme == ProbeScheme::Https,
            headers: headers.iter().map(pair_to_wire).collect(),
        }),
        ProbeAction::TcpSocket { port, host } => Action::TcpSocket(ripstop::TcpSocket {
            port: (*port).into(),
            host: host.map(|host| host.to_string()).unwrap_or_default(),
        }),
        ProbeAction::Grpc { port, service } => {
            Action::Grpc(ripstop::GrpcHealth { port: (*port).into(), service: service.to_string() })
        }
        ProbeAction::Exec { command } => Action::Exec(ripstop::Exec { command: texts(command) }),
    };
    ripstop::Probe {
        action: Some(action),
        initial_delay_ms: millis(probe.initial_delay),
        period_ms: millis(probe.period),
        timeout_ms: millis(probe.timeout),
        success_threshold: probe.success_threshold,
        failure_threshold: probe.failure_threshold,
    }
}

pub(crate) fn probe_from_wire(context: Context<'_>, probe: ripstop::Probe) -> Result<Probe, DecodeError> {
    let host = |field: &str, host: &str| match host {
        "" => Ok(None),
        host => context.parsed(field, host).map(Some),
    };
    let action = match probe.action {
        Some(Action::HttpGet(get)) => ProbeAction::HttpGet {
            path: get.path.into(),
            port: context.port("readiness.http_get.port", get.port)?,
            host: host("readiness.http_get.host", &get.host)?,
            scheme: if get.tls { ProbeScheme::Https } else { ProbeScheme::Http },
            headers: get.headers.into_iter().map(|pair| (pair.name.into(), pair.value.into())).collect(),
        },
        Some(Action::TcpSocket(socket)) => ProbeAction::TcpSocket {
            port: context.port("readiness.tcp_socket.port", socket.port)?,
            host: host("readiness.tcp_socket.host", &socket.host)?,
        },
        Some(Action::Grpc(grpc)) => {
            ProbeAction::Grpc { port: context.port("readiness.grpc.port", grpc.port)?, service: grpc.service.into() }
        }
        Some(Action::Exec(exec)) => ProbeAction::Exec { command: shared(exec.command) },
        None => return Err(context.error("readiness.action", "says nothing to try")),
    };
    Ok(Probe {
        action,
        initial_delay: Duration::from_millis(probe.initial_delay_ms),
        period: Duration::from_millis(probe.period_ms),
        timeout: Duration::from_millis(probe.timeout_ms),
        success_threshold: probe.success_threshold,
        failure_threshold: probe.failure_threshold,
    })
}

fn pair_to_wire((name, value): &(Arc<str>, Arc<str>)) -> ripstop::EnvVar {
    ripstop::EnvVar { name: name.to_string(), value: value.to_string() }
}

/// Whole milliseconds; more than 585 million years count as that.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;

//! How hosts are called: all rules of one namespace for one host, named `<namespace>/<host>`.

mod balancer;
mod pool;

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use ripstop_model::{
    BackendPolicy, BackendSettings, ClientTls, ClientTlsMode, HostPattern, ObjectName, PortSettings,
    ProxyProtocolVersion, RetryBudget, RuleId, Selector, Subset, TlsFiles, TlsParameters, TunnelSettings,
};

pub(super) use self::{
    balancer::{locality_from_wire, locality_to_wire, peak_ewma_from_wire, peak_ewma_to_wire},
    pool::{keepalive_from_wire, keepalive_to_wire, outlier_from_wire, outlier_to_wire, pool_from_wire, pool_to_wire},
};
use super::{
    selector_from_wire, selector_to_wire, slashed,
    value::{
        duration_to_wire, host_from_wire, set_duration, share_from_wire, text_from_wire, text_to_wire,
        visibility_from_wire, visibility_to_wire,
    },
};
use crate::{
    DecodeError, Encoded,
    field::{self, Context, labels_from_wire, labels_to_wire},
    place::Place,
    ripstop::{self, backend_settings::ProxyProtocol, client_tls::Mode},
    type_url,
};

/// The rules of the namespace and for the host of `name`, which say neither again.
pub(super) fn encode((namespace, host): &ObjectName, policies: &[BackendPolicy]) -> Encoded {
    let message = ripstop::Backends {
        namespace: namespace.to_string(),
        host: host.to_string(),
        policies: policies.iter().map(policy_to_wire).collect(),
    };
    Encoded::new(type_url::BACKENDS, slashed(namespace, host), &message)
}

/// Decodes the resource `name`.
pub(super) fn decode(name: &str, body: &Bytes) -> Result<Vec<BackendPolicy>, DecodeError> {
    let context = Context::new(type_url::BACKENDS, name);
    let message: ripstop::Backends = context.whole(body)?;
    context.named(&slashed(&message.namespace, &message.host))?;
    let namespace = context.required("namespace", message.namespace)?;
    let place = Place::new(context);
    let host = host_from_wire(&place.field("host"), &message.host)?;
    place.field("policies").all(message.policies, |place, policy| policy_from_wire(place, &namespace, &host, policy))
}

/// Reads namespace and host from the name of a resource.
pub(super) fn decode_name(name: &str) -> Result<ObjectName, DecodeError> {
    match name.split_once('/') {
        Some((namespace, host)) if !namespace.is_empty() => Ok((namespace.into(), host.into())),
        _ => Err(Context::new(type_url::BACKENDS, name).name_error("expected <namespace>/<host>")),
    }
}

fn policy_to_wire(policy: &BackendPolicy) -> ripstop::BackendPolicy {
    ripstop::BackendPolicy {
        ids: policy.ids.iter().map(ToString::to_string).collect(),
        visibility: visibility_to_wire(&policy.visibility),
        client: policy.client.as_ref().map(selector_to_wire),
        settings: settings_to_wire(&policy.policy),
        subsets: policy.subsets.iter().map(subset_to_wire).collect(),
        created: policy.created,
    }
}

fn policy_from_wire(
    place: &Place<'_>,
    namespace: &Arc<str>,
    host: &HostPattern,
    policy: ripstop::BackendPolicy,
) -> Result<BackendPolicy, DecodeError> {
    Ok(BackendPolicy {
        ids: place.field("ids").all(policy.ids, |place, id| place.required(id).map(RuleId))?,
        namespace: namespace.clone(),
        host: host.clone(),
        visibility: visibility_from_wire(&place.field("visibility"), policy.visibility)?,
        client: policy.client.map(selector_from_wire),
        policy: settings_from_wire(&place.field("settings"), policy.settings)?,
        subsets: place.field("subsets").all(policy.subsets, subset_from_wire)?,
        created: policy.created,
    })
}

fn subset_to_wire(subset: &Subset) -> ripstop::Subset {
    ripstop::Subset {
        id: subset.id.to_string(),
        name: subset.name.to_string(),
        labels: labels_to_wire(&subset.labels.0),
        settings: settings_to_wire(&subset.policy),
    }
}

fn subset_from_wire(place: &Place<'_>, subset: ripstop::Subset) -> Result<Subset, DecodeError> {
    Ok(Subset {
        id: RuleId(place.field("id").required(subset.id)?),
        name: subset.name.into(),
        labels: Selector(labels_from_wire(subset.labels)),
        policy: settings_from_wire(&place.field("settings"), subset.settings)?,
    })
}

fn settings_to_wire(settings: &BackendSettings) -> Option<ripstop::BackendSettings> {
    let proxy_protocol = match settings.proxy_protocol {
        None => ProxyProtocol::NoProxyProtocol,
        Some(ProxyProtocolVersion::V1) => ProxyProtocol::V1,
        Some(ProxyProtocolVersion::V2) => ProxyProtocol::V2,
    };
    (*settings != BackendSettings::default()).then(|| ripstop::BackendSettings {
        general: Some(port_to_wire(&settings.general)).filter(|general| *general != ripstop::PortSettings::default()),
        ports: settings.ports.iter().map(|(port, settings)| ((*port).into(), port_to_wire(settings))).collect(),
        tunnel: settings.tunnel.as_ref().map(tunnel_to_wire),
        proxy_protocol: proxy_protocol.into(),
        retry_budget: settings.retry_budget.map(budget_to_wire),
    })
}

fn settings_from_wire(
    place: &Place<'_>,
    settings: Option<ripstop::BackendSettings>,
) -> Result<BackendSettings, DecodeError> {
    let settings = settings.unwrap_or_default();
    let port = |place: &Place<'_>, port: &u32, settings| -> Result<(u16, PortSettings), DecodeError> {
        Ok((place.short(*port)?, port_from_wire(place, settings)?))
    };
    let ports: BTreeMap<u16, PortSettings> = place.field("ports").each(settings.ports, port)?;
    let tunnel = |tunnel| tunnel_from_wire(&place.field("tunnel"), tunnel);
    let budget = |budget| budget_from_wire(&place.field("retry_budget"), budget);
    Ok(BackendSettings {
        general: port_from_wire(&place.field("general"), settings.general.unwrap_or_default())?,
        ports,
        tunnel: settings.tunnel.map(tunnel).transpose()?,
        proxy_protocol: match place.field("proxy_protocol").enumerated(settings.proxy_protocol)? {
            ProxyProtocol::NoProxyProtocol => None,
            ProxyProtocol::V1 => Some(ProxyProtocolVersion::V1),
            ProxyProtocol::V2 => Some(ProxyProtocolVersion::V2),
        },
        retry_budget: settings.retry_budget.map(budget).transpose()?,
    })
}

fn port_to_wire(settings: &PortSettings) -> ripstop::PortSettings {
    ripstop::PortSettings {
        balancer: settings.balancer.as_deref().map(balancer::to_wire),
        pool: settings.pool.as_deref().map(pool_to_wire),
        outlier: settings.outlier.as_deref().map(outlier_to_wire),
        tls: settings.tls.as_deref().map(tls_to_wire),
    }
}

fn port_from_wire(place: &Place<'_>, settings: ripstop::PortSettings) -> Result<PortSettings, DecodeError> {
    let balancer = |balancer| balancer::from_wire(&place.field("balancer"), balancer).map(Arc::new);
    let pool = |pool| pool_from_wire(&place.field("pool"), pool).map(Arc::new);
    let outlier = |outlier| outlier_from_wire(&place.field("outlier"), outlier).map(Arc::new);
    let tls = |tls| tls_from_wire(&place.field("tls"), tls).map(Arc::new);
    Ok(PortSettings {
        balancer: settings.balancer.map(balancer).transpose()?,
        pool: settings.pool.map(pool).transpose()?,
        outlier: settings.outlier.map(outlier).transpose()?,
        tls: settings.tls.map(tls).transpose()?,
    })
}

pub(super) fn tls_to_wire(tls: &ClientTls) -> ripstop::ClientTls {
    let mode = match tls.mode {
        ClientTlsMode::Disable => Mode::Disable,
        ClientTlsMode::Simple => Mode::Simple,
        ClientTlsMode::Mutual => Mode::Mutual,
        ClientTlsMode::Mesh => Mode::Mesh,
    };
    ripstop::ClientTls {
        mode: mode.into(),
        files: (tls.files != TlsFiles::default()).then(|| files_to_wire(&tls.files)),
        credential: text_to_wire(tls.credential.as_ref()),
        subject_alt_names: field::texts(&tls.subject_alt_names),
        sni: text_to_wire(tls.sni.as_ref()),
        insecure: tls.insecure,
        parameters: (tls.parameters != TlsParameters::default()).then(|| ripstop::TlsParameters {
            least: text_to_wire(tls.parameters.least.as_ref()),
            cipher_suites: field::texts(&tls.parameters.cipher_suites),
            curves: field::texts(&tls.parameters.curves),
        }),
    }
}

pub(super) fn tls_from_wire(place: &Place<'_>, tls: ripstop::ClientTls) -> Result<ClientTls, DecodeError> {
    let mode = place.field("mode");
    let parameters = tls.parameters.unwrap_or_default();
    Ok(ClientTls {
        mode: match mode.enumerated(tls.mode)? {
            Mode::NoMode => return Err(mode.error("it is missing")),
            Mode::Disable => ClientTlsMode::Disable,
            Mode::Simple => ClientTlsMode::Simple,
            Mode::Mutual => ClientTlsMode::Mutual,
            Mode::Mesh => ClientTlsMode::Mesh,
        },
        files: files_from_wire(tls.files.unwrap_or_default()),
        credential: text_from_wire(tls.credential),
        subject_alt_names: field::shared(tls.subject_alt_names),
        sni: text_from_wire(tls.sni),
        insecure: tls.insecure,
        parameters: TlsParameters {
            least: text_from_wire(parameters.least),
            cipher_suites: field::shared(parameters.cipher_suites),
            curves: field::shared(parameters.curves),
        },
    })
}

pub(super) fn files_to_wire(files: &TlsFiles) -> ripstop::TlsFiles {
    ripstop::TlsFiles {
        certificate: files.certificate.to_string(),
        key: files.key.to_string(),
        ca: files.ca.to_string(),
        crl: files.crl.to_string(),
    }
}

pub(super) fn files_from_wire(files: ripstop::TlsFiles) -> TlsFiles {
    TlsFiles {
        certificate: files.certificate.into(),
        key: files.key.into(),
        ca: files.ca.into(),
        crl: files.crl.into(),
    }
}

fn tunnel_to_wire(tunnel: &TunnelSettings) -> ripstop::TunnelSettings {
    ripstop::TunnelSettings { post: tunnel.post, host: tunnel.host.to_string(), port: tunnel.port.into() }
}

fn tunnel_from_wire(place: &Place<'_>, tunnel: ripstop::TunnelSettings) -> Result<TunnelSettings, DecodeError> {
    Ok(TunnelSettings { post: tunnel.post, host: tunnel.host.into(), port: place.field("port").short(tunnel.port)? })
}

pub(super) fn budget_to_wire(budget: RetryBudget) -> ripstop::RetryBudget {
    ripstop::RetryBudget {
        share: budget.share.millionths(),
        min_concurrency: budget.min_concurrency,
        interval: Some(duration_to_wire(budget.interval)),
        min_per_second: budget.min_per_second,
    }
}

pub(super) fn budget_from_wire(place: &Place<'_>, budget: ripstop::RetryBudget) -> Result<RetryBudget, DecodeError> {
    Ok(RetryBudget {
        share: share_from_wire(&place.field("share"), budget.share)?,
        min_concurrency: budget.min_concurrency,
        min_per_second: budget.min_per_second,
        interval: set_duration(&place.field("interval"), budget.interval)?,
    })
}

#[cfg(test)]
pub(super) mod tests;

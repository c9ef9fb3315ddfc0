//! Listeners of gateways, named `<namespace>/<name>`.

use std::sync::Arc;

use bytes::Bytes;
use ripstop_model::{Gateway, RuleId, Selector, Server, ServerHost, ServerProtocol, ServerTls, ServerTlsMode};

use super::{
    backend::{files_from_wire, files_to_wire},
    slashed,
    value::{scoped_from_wire, scoped_to_wire, text_from_wire, text_to_wire},
};
use crate::{
    DecodeError, Encoded,
    field::{Context, labels_from_wire, labels_to_wire, shared, texts},
    place::Place,
    ripstop::{self, gateway_server::Protocol, server_tls::Mode},
    type_url,
};

pub(super) fn encode(gateway: &Gateway) -> Encoded {
    let message = ripstop::Gateway {
        id: gateway.id.to_string(),
        namespace: gateway.namespace.to_string(),
        name: gateway.name.to_string(),
        selector: labels_to_wire(&gateway.selector.0),
        servers: gateway.servers.iter().map(server_to_wire).collect(),
        created: gateway.created,
    };
    Encoded::new(type_url::GATEWAY, slashed(&gateway.namespace, &gateway.name), &message)
}

/// Decodes the resource `name`.
pub(super) fn decode(name: &str, body: &Bytes) -> Result<Gateway, DecodeError> {
    let context = Context::new(type_url::GATEWAY, name);
    let message: ripstop::Gateway = context.whole(body)?;
    context.named(&slashed(&message.namespace, &message.name))?;
    Ok(Gateway {
        id: RuleId(context.required("id", message.id)?),
        namespace: context.required("namespace", message.namespace)?,
        name: context.required("name", message.name)?,
        selector: Selector(labels_from_wire(message.selector)),
        servers: Place::new(context).field("servers").all(message.servers, server_from_wire)?,
        created: message.created,
    })
}

fn server_to_wire(server: &Server) -> ripstop::GatewayServer {
    let protocol = match server.protocol {
        ServerProtocol::Http => Protocol::Http,
        ServerProtocol::Https => Protocol::Https,
        ServerProtocol::Tls => Protocol::Tls,
        ServerProtocol::Tcp => Protocol::Tcp,
    };
    let hosts = server.hosts.iter().map(|host| scoped_to_wire(host.namespace.as_ref(), &host.host));
    ripstop::GatewayServer {
        id: server.id.to_string(),
        name: server.name.to_string(),
        port: server.port.into(),
        protocol: protocol.into(),
        bind: server.bind.map(|address| address.to_string()),
        hosts: hosts.collect(),
        tls: server.tls.as_deref().map(tls_to_wire),
        https_redirect: server.https_redirect,
    }
}

fn server_from_wire(place: &Place<'_>, server: ripstop::GatewayServer) -> Result<Server, DecodeError> {
    let protocol = place.field("protocol");
    let host =
        |place: &Place<'_>, host| scoped_from_wire(place, host).map(|(namespace, host)| ServerHost { namespace, host });
    let tls = |tls| tls_from_wire(&place.field("tls"), tls).map(Arc::new);
    Ok(Server {
        id: RuleId(place.field("id").required(server.id)?),
        name: server.name.into(),
        port: place.field("port").short(server.port)?,
        protocol: match protocol.enumerated(server.protocol)? {
            Protocol::NoProtocol => return Err(protocol.error("it is missing")),
            Protocol::Http => ServerProtocol::Http,
            Protocol::Https => ServerProtocol::Https,
            Protocol::Tls => ServerProtocol::Tls,
            Protocol::Tcp => ServerProtocol::Tcp,
        },
        bind: server.bind.map(|address| place.field("bind").parsed(&address)).transpose()?,
        hosts: place.field("hosts").all(server.hosts, host)?,
        tls: server.tls.map(tls).transpose()?,
        https_redirect: server.https_redirect,
    })
}

pub(super) fn tls_to_wire(tls: &ServerTls) -> ripstop::ServerTls {
    let mode = match tls.mode {
        ServerTlsMode::Passthrough => Mode::Passthrough,
        ServerTlsMode::Simple => Mode::Simple,
        ServerTlsMode::Mutual => Mode::Mutual,
        ServerTlsMode::AutoPassthrough => Mode::AutoPassthrough,
        ServerTlsMode::Mesh => Mode::Mesh,
        ServerTlsMode::OptionalMutual => Mode::OptionalMutual,
    };
    let (least, greatest) = &tls.versions;
    ripstop::ServerTls {
        mode: mode.into(),
        credentials: texts(&tls.credentials),
        ca_credential: text_to_wire(tls.ca_credential.as_ref()),
        files: tls.files.iter().map(files_to_wire).collect(),
        subject_alt_names: texts(&tls.subject_alt_names),
        pins: texts(&tls.pins),
        min_version: text_to_wire(least.as_ref()),
        max_version: text_to_wire(greatest.as_ref()),
        cipher_suites: texts(&tls.cipher_suites),
        curves: texts(&tls.curves),
        insecure: tls.insecure,
    }
}

pub(super) fn tls_from_wire(place: &Place<'_>, tls: ripstop::ServerTls) -> Result<ServerTls, DecodeError> {
    let mode = place.field("mode");
    Ok(ServerTls {
        mode: match mode.enumerated(tls.mode)? {
            Mode::NoMode => return Err(mode.error("it is missing")),
            Mode::Passthrough => ServerTlsMode::Passthrough,
            Mode::Simple => ServerTlsMode::Simple,
            Mode::Mutual => ServerTlsMode::Mutual,
            Mode::AutoPassthrough => ServerTlsMode::AutoPassthrough,
            Mode::Mesh => ServerTlsMode::Mesh,
            Mode::OptionalMutual => ServerTlsMode::OptionalMutual,
        },
        credentials: shared(tls.credentials),
        ca_credential: text_from_wire(tls.ca_credential),
        files: tls.files.into_iter().map(files_from_wire).collect(),
        subject_alt_names: shared(tls.subject_alt_names),
        pins: shared(tls.pins),
        versions: (text_from_wire(tls.min_version), text_from_wire(tls.max_version)),
        cipher_suites: shared(tls.cipher_suites),
        curves: shared(tls.curves),
        insecure: tls.insecure,
    })
}

#[cfg(test)]
pub(super) mod tests;

//! A `Gateway` for tests.

use std::sync::Arc;

use ripstop_decide::Program;
use ripstop_model::{
    Change, Gateway, HostPattern, RuleId, Selector, Server, ServerHost, ServerProtocol, ServerTls, ServerTlsMode,
    TrafficChange,
};

/// TLS with the certificate of the `Secret` called `cert`, and nothing else said.
pub(crate) fn tls(mode: ServerTlsMode) -> ServerTls {
    ServerTls {
        mode,
        credentials: vec!["cert".into()],
        ca_credential: None,
        files: Vec::new(),
        subject_alt_names: Vec::new(),
        pins: Vec::new(),
        versions: (None, None),
        cipher_suites: Vec::new(),
        curves: Vec::new(),
        insecure: false,
    }
}

/// A listener on port 443.
pub(crate) fn server(protocol: ServerProtocol, host: &str, tls: Option<Arc<ServerTls>>) -> Server {
    Server {
        id: RuleId("s".into()),
        name: "s".into(),
        port: 443,
        protocol,
        bind: None,
        hosts: vec![ServerHost { namespace: None, host: HostPattern::new(host) }],
        tls,
        https_redirect: false,
    }
}

/// A mesh whose only `Gateway`, `edge/web`, has these listeners at every proxy.
pub(crate) fn program(servers: Vec<Server>) -> Program {
    let (namespace, name): (Arc<str>, Arc<str>) = ("edge".into(), "web".into());
    let gateway = Gateway {
        id: RuleId("g".into()),
        namespace: namespace.clone(),
        name: name.clone(),
        selector: Selector::default(),
        servers,
        created: 1,
    };
    let change = TrafficChange::Gateway((namespace, name), Some(Arc::new(gateway)));
    Program::default().with(1, [Change::TrafficObject(change)])
}

use prost::Message as _;

use super::*;
use crate::{testing::Sample, traffic::backend::tests::files};

pub(crate) fn gateway(sample: &mut Sample) -> Gateway {
    Gateway {
        id: sample.id(),
        namespace: sample.name(),
        name: sample.name(),
        selector: sample.selector(),
        servers: sample.list(server),
        created: sample.long(),
    }
}

fn server(sample: &mut Sample) -> Server {
    Server {
        id: sample.id(),
        name: sample.text(),
        port: sample.short(),
        protocol: sample.pick(&[ServerProtocol::Http, ServerProtocol::Https, ServerProtocol::Tls, ServerProtocol::Tcp]),
        bind: sample.maybe(|sample| std::net::Ipv4Addr::from(sample.number()).into()),
        hosts: sample.list(|sample| ServerHost { namespace: sample.maybe(Sample::text), host: sample.host() }),
        tls: sample.maybe(tls).map(Arc::new),
        https_redirect: sample.flag(),
    }
}

pub(crate) fn tls(sample: &mut Sample) -> ServerTls {
    ServerTls {
        mode: sample.pick(&[
            ServerTlsMode::Passthrough,
            ServerTlsMode::Simple,
            ServerTlsMode::Mutual,
            ServerTlsMode::AutoPassthrough,
            ServerTlsMode::Mesh,
            ServerTlsMode::OptionalMutual,
        ]),
        credentials: sample.list(Sample::text),
        ca_credential: sample.maybe(Sample::text),
        files: sample.list(files),
        subject_alt_names: sample.list(Sample::text),
        pins: sample.list(Sample::text),
        versions: (sample.maybe(Sample::text), sample.maybe(Sample::text)),
        cipher_suites: sample.list(Sample::text),
        curves: sample.list(Sample::text),
        insecure: sample.flag(),
    }
}

#[test]
fn survives_the_wire() {
    Sample::many(|sample| {
        let gateway = gateway(sample);
        let encoded = encode(&gateway);
        assert_eq!(*encoded.name, format!("{}/{}", gateway.namespace, gateway.name));
        assert_eq!(decode(&encoded.name, &encoded.body), Ok(gateway));
    });
}

#[test]
fn malformed_ones_name_the_field() {
    let good = || ripstop::Gateway {
        id: "id".into(),
        namespace: "ns".into(),
        name: "name".into(),
        ..ripstop::Gateway::default()
    };
    let server = || ripstop::GatewayServer {
        id: "s".into(),
        protocol: Protocol::Http.into(),
        ..ripstop::GatewayServer::default()
    };
    let with = |server| ripstop::Gateway { servers: vec![server], ..good() };
    let host = |host: &str| vec![ripstop::ScopedHost { namespace: None, host: host.into() }];
    for (field, message) in [
        ("field id", ripstop::Gateway { id: String::new(), ..good() }),
        ("field servers[0].id", with(ripstop::GatewayServer { id: String::new(), ..server() })),
        ("field servers[0].port", with(ripstop::GatewayServer { port: 1 << 16, ..server() })),
        ("field servers[0].protocol: it is missing", with(ripstop::GatewayServer { protocol: 0, ..server() })),
        ("field servers[0].protocol: 5", with(ripstop::GatewayServer { protocol: 5, ..server() })),
        ("field servers[0].hosts[0].host", with(ripstop::GatewayServer { hosts: host("a."), ..server() })),
        (
            "field servers[0].tls.mode: it is missing",
            with(ripstop::GatewayServer { tls: Some(ripstop::ServerTls::default()), ..server() }),
        ),
        ("content is that of \"other/name\"", ripstop::Gateway { namespace: "other".into(), ..good() }),
    ] {
        let error = decode("ns/name", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("ns/name"), "{field}: {error}");
    }
}

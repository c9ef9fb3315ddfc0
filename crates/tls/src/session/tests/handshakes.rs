//! Handshakes, and what ends know of each other.

use rustls::CertificateError;

use super::*;
use crate::testing::name;

/// A fatal alert of a session that can be read without its keys.
fn plain_alert(alert: AlertDescription) -> Vec<u8> {
    vec![21, 3, 3, 0, 2, 2, u8::from(alert)]
}

#[test]
fn both_ends_know_each_other() {
    for kind in SESSIONS {
        let (mut client, mut server) = connected(kind, kind);
        for session in [client.session(), server.session()] {
            assert_eq!(session.alpn_protocol(), Some(b"h2".as_slice()));
            assert_eq!(session.peer_certificates().unwrap().len(), 1);
        }
        assert_ne!(client.session().peer_certificates(), server.session().peer_certificates());
    }
}

#[test]
fn before_the_handshake_nothing_is_known() {
    for kind in SESSIONS {
        let (mut client, mut server) = ends(kind, kind);
        for session in [client.session(), server.session()] {
            assert!(session.is_handshaking() && session.wants_read() && !session.peer_has_closed());
            assert_eq!((session.alpn_protocol(), session.peer_certificates()), (None, None));
        }
        assert!(client.session().wants_write(), "a client speaks first");
        assert!(!server.session().wants_write());
    }
}

#[test]
fn records_are_our_own_if_the_configuration_lets_them() {
    let authority = Authority::new();
    for (extraction, records, expected) in [
        (true, Records::Own, Records::Own),
        (true, Records::Rustls, Records::Rustls),
        (false, Records::Own, Records::Rustls),
        (false, Records::Rustls, Records::Rustls),
    ] {
        let (mut client, mut server) = (authority.client(SUITE), authority.server(SUITE));
        client.enable_secret_extraction = extraction;
        server.enable_secret_extraction = extraction;
        let mut client = End::client(Kind::Session(records), &Arc::new(client));
        let mut server = End::server(Kind::Session(records), &Arc::new(server));
        talk(&mut client, &mut server, usize::MAX).unwrap();
        for session in [client.session(), server.session()] {
            assert_eq!(session.records(), expected);
            assert_eq!(matches!(session.layer, Layer::Own(_)), expected == Records::Own);
        }
    }
    assert_eq!(Records::default(), Records::Own);
}

#[test]
fn every_suite_is_spoken() {
    let authority = Authority::new();
    for suite in [
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        CipherSuite::TLS13_AES_256_GCM_SHA384,
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
    ] {
        for (client, server) in every_pair() {
            let mut client = End::client(client, &Arc::new(authority.client(suite)));
            let mut server = End::server(server, &Arc::new(authority.server(suite)));
            talk(&mut client, &mut server, usize::MAX).unwrap();
            for end in [&mut client, &mut server] {
                if let End::Session(session) = end
                    && let Layer::Own(established) = &session.layer
                {
                    assert_eq!(established.traffic.tx().secret().suite().code(), u16::from(suite));
                    session.refresh_keys().unwrap();
                }
            }
            let bytes = pattern(30_000);
            client.send(&bytes);
            server.send(&bytes);
            let (at_client, at_server) = talk(&mut client, &mut server, usize::MAX).unwrap();
            assert!(at_client == bytes && at_server == bytes);
        }
    }
}

#[test]
fn tickets_are_taken_without_use() {
    let authority = Authority::new();
    for (client, server) in every_pair() {
        let mut config = authority.server(SUITE);
        config.send_tls13_tickets = 3;
        config.session_storage = rustls::server::ServerSessionMemoryCache::new(8);
        let mut client = End::client(client, &Arc::new(authority.client(SUITE)));
        let mut server = End::server(server, &Arc::new(config));
        server.send(b"after the tickets");
        let (heard, _) = talk(&mut client, &mut server, usize::MAX).unwrap();
        assert_eq!(heard, b"after the tickets");
    }
}

#[test]
fn secrets_that_shall_be_logged_are() {
    #[derive(Debug, Default)]
    struct Log(std::sync::Mutex<Vec<String>>);
    impl rustls::KeyLog for Log {
        fn log(&self, label: &str, _: &[u8], _: &[u8]) {
            self.0.lock().unwrap().push(label.to_owned());
        }
    }
    let authority = Authority::new();
    let mut logs = Vec::new();
    for kind in SESSIONS {
        let log = Arc::new(Log::default());
        let mut config = authority.client(SUITE);
        config.key_log = log.clone();
        let mut client = End::client(kind, &Arc::new(config));
        let mut server = End::server(kind, &Arc::new(authority.server(SUITE)));
        talk(&mut client, &mut server, usize::MAX).unwrap();
        logs.push(log.0.lock().unwrap().clone());
    }
    assert_eq!(logs[0], logs[1]);
    assert!(logs[0].iter().any(|label| label == "CLIENT_TRAFFIC_SECRET_0"));
}

#[test]
fn a_wrong_certificate_is_refused_with_an_alert() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    for (client, server) in every_pair() {
        // The client does not believe the server.
        let mut a = End::client(client, &Arc::new(ours.client(SUITE)));
        let mut b = End::server(server, &Arc::new(theirs.server(SUITE)));
        b.input(&a.output(), &mut vec![]).unwrap();
        let error = a.input(&b.output(), &mut vec![]).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Tls(rustls::Error::InvalidCertificate(
                    CertificateError::UnknownIssuer | CertificateError::BadSignature
                ))
            ),
            "{error}"
        );
        let error = b.input(&a.output(), &mut vec![]).unwrap_err();
        assert!(matches!(error.alert(), Some(AlertDescription::UnknownCA | AlertDescription::DecryptError)), "{error}");

        // The server does not believe the client, who learns of it after its handshake.
        let mut config = theirs.client(SUITE);
        let believing = ours.client(SUITE);
        config.dangerous().set_certificate_verifier(
            rustls::client::WebPkiServerVerifier::builder_with_provider(
                ours.roots(),
                believing.crypto_provider().clone(),
            )
            .build()
            .unwrap(),
        );
        let mut a = End::client(client, &Arc::new(config));
        let mut b = End::server(server, &Arc::new(ours.server(SUITE)));
        b.input(&a.output(), &mut vec![]).unwrap();
        a.input(&b.output(), &mut vec![]).unwrap();
        assert!(!a.is_handshaking());
        let error = b.input(&a.output(), &mut vec![]).unwrap_err();
        assert!(matches!(error, Error::Tls(rustls::Error::InvalidCertificate(_))), "{error}");
        assert!(b.is_handshaking());
        let error = a.input(&b.output(), &mut vec![]).unwrap_err();
        assert!(matches!(error.alert(), Some(AlertDescription::UnknownCA | AlertDescription::DecryptError)), "{error}");
    }
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    for kind in SESSIONS {
        let authority = Authority::new();
        let mut config = authority.client(SUITE);
        config.client_auth_cert_resolver = Arc::new(NoCertificate);
        let mut client = End::client(kind, &Arc::new(config));
        let mut server = End::server(kind, &Arc::new(authority.server(SUITE)));
        let error = talk(&mut client, &mut server, usize::MAX).unwrap_err();
        assert!(matches!(error, Error::Tls(rustls::Error::NoCertificatesPresented)), "{error}");
        let error = client.input(&server.output(), &mut vec![]).unwrap_err();
        assert_eq!(error.alert(), Some(AlertDescription::CertificateRequired));
    }
}

#[test]
fn garbage_is_answered_with_the_right_alert() {
    for kind in SESSIONS {
        let cases: [(&[u8], AlertDescription); 7] = [
            (b"G", AlertDescription::DecodeError),
            (&[22, 2, 0], AlertDescription::DecodeError),
            (b"GET / HTTP/1.1\r\n\r\n", AlertDescription::DecodeError),
            // A record too large for any version of TLS.
            (&[22, 3, 1, 0xff, 0xff, 0], AlertDescription::DecodeError),
            // Application data before anything else.
            (&[23, 3, 3, 0, 1, 0], AlertDescription::UnexpectedMessage),
            // A handshake message that is not a ClientHello.
            (&[22, 3, 1, 0, 4, 20, 0, 0, 0], AlertDescription::UnexpectedMessage),
            // A ClientHello of nothing.
            (&[22, 3, 1, 0, 4, 1, 0, 0, 0], AlertDescription::DecodeError),
        ];
        for (garbage, alert) in cases {
            let (_, mut server) = ends(kind, kind);
            let error = server.input(garbage, &mut vec![]).unwrap_err();
            assert!(matches!(error, Error::Tls(_)), "{error}");
            assert_eq!(server.output(), plain_alert(alert), "{garbage:?}: {error}");
        }
    }
}

#[test]
fn protocols_must_agree() {
    for kind in SESSIONS {
        let authority = Authority::new();
        let mut config = authority.client(SUITE);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut client = End::client(kind, &Arc::new(config));
        let mut server = End::server(kind, &Arc::new(authority.server(SUITE)));
        let error = talk(&mut client, &mut server, usize::MAX).unwrap_err();
        assert!(matches!(error, Error::Tls(rustls::Error::NoApplicationProtocol)), "{error}");
        let error = client.input(&server.output(), &mut vec![]).unwrap_err();
        assert_eq!(error.alert(), Some(AlertDescription::NoApplicationProtocol));
    }
}

#[test]
fn a_name_is_taken_from_the_configuration_only() {
    // A configuration that can't make a ClientHello is an error at once.
    let mut config = Authority::new().client(SUITE);
    config.max_fragment_size = Some(1);
    let error = Session::client(Arc::new(config), name()).unwrap_err();
    assert!(matches!(error, Error::Tls(rustls::Error::BadMaxFragmentSize)), "{error}");
}

#[derive(Debug)]
struct NoCertificate;

impl rustls::client::ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

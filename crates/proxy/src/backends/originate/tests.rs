use std::{fs, path::PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SanType, SerialNumber,
};
use ripstop_model::{TlsFiles, TlsParameters};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, time};

use super::*;

/// An authority, with files of its own.
pub(super) struct Bed {
    directory: TempDir,
    pub(super) issuer: CertifiedIssuer<'static, KeyPair>,
}

pub(super) struct Issued {
    chain: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    pub(super) chain_pem: String,
    pub(super) key_pem: String,
}

/// Who was there, as the server has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    name: Option<String>,
    alpn: Option<Vec<u8>>,
    has_certificate: bool,
}

impl Bed {
    pub(super) fn new() -> Self {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let bed = Self { directory: TempDir::new().unwrap(), issuer };
        bed.write("ca.pem", &bed.issuer.pem());
        bed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> Arc<str> {
        fs::write(self.path(name), text).unwrap();
        self.path(name).to_str().unwrap().into()
    }

    pub(super) fn issue(&self, names: &[&str]) -> Issued {
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from(7_u64));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let name = |name: &&str| match name.parse() {
            Ok(ip) => SanType::IpAddress(ip),
            Err(_) if name.contains("://") => SanType::URI((*name).try_into().unwrap()),
            Err(_) => SanType::DnsName((*name).try_into().unwrap()),
        };
        params.subject_alt_names = names.iter().map(name).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued {
            chain: certificate.der().clone(),
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            chain_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }

    fn files(&self) -> TlsFiles {
        TlsFiles { ca: self.path("ca.pem").to_str().unwrap().into(), ..TlsFiles::default() }
    }

    fn simple(&self) -> ClientTls {
        ClientTls { mode: ClientTlsMode::Simple, files: self.files(), ..ClientTls::default() }
    }

    fn mutual(&self) -> ClientTls {
        let client = self.issue(&["client"]);
        let files = TlsFiles {
            certificate: self.write("client.pem", &client.chain_pem),
            key: self.write("client.key", &client.key_pem),
            ..self.files()
        };
        ClientTls { mode: ClientTlsMode::Mutual, files, ..ClientTls::default() }
    }

    /// Makes TLS with a server that has `server`, and asks it for a certificate if it is told so.
    pub(super) async fn meet(
        &self,
        server: Issued,
        origination: &Origination,
        authority: &str,
        version: impl Into<Option<HttpVersion>>,
    ) -> Result<Seen, String> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
            .allow_unauthenticated()
            .build()
            .unwrap();
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(clients)
            .with_single_cert(vec![server.chain], server.key)
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            let stream = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(socket).await.ok()?;
            let (_, session) = stream.get_ref();
            Some(Seen {
                name: session.server_name().map(ToOwned::to_owned),
                alpn: session.alpn_protocol().map(ToOwned::to_owned),
                has_certificate: session.peer_certificates().is_some(),
            })
        });
        let config = origination.config(version.into()).map_err(|error| error.to_string())?;
        let name = origination.server_name(Some(authority), "host.example");
        let socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let made = connect(socket.into(), config, &name).await.map_err(|error| error.to_string());
        let seen = accepting.await.unwrap();
        made.map(|_| seen.expect("the server agreed"))
    }
}

fn origination(tls: ClientTls) -> Origination {
    with_secret(tls, None)
}

pub(super) fn with_secret(tls: ClientTls, secret: Option<Arc<Secret>>) -> Origination {
    let names: Arc<[Arc<str>]> = tls.subject_alt_names.clone().into();
    Origination::new(Arc::new(tls), names, Arc::new(TrustedFiles::outside("/nowhere".as_ref())), secret)
}

pub(super) fn seen(name: Option<&str>, alpn: &str, has_certificate: bool) -> Seen {
    Seen { name: name.map(ToOwned::to_owned), alpn: Some(alpn.into()), has_certificate }
}

#[tokio::test]
async fn simple_takes_the_name_from_the_request_and_offers_the_http_that_is_spoken() {
    let bed = Bed::new();
    for (version, alpn) in [(HttpVersion::Http1, "http/1.1"), (HttpVersion::Http2, "h2")] {
        let made =
            bed.meet(bed.issue(&["shop.example"]), &origination(bed.simple()), "shop.example:8443", version).await;
        assert_eq!(made, Ok(seen(Some("shop.example"), alpn, false)));
    }
}

#[tokio::test]
async fn bytes_of_any_protocol_offer_none() {
    let bed = Bed::new();
    let tls = origination(bed.mutual());
    let made = bed.meet(bed.issue(&["host.example"]), &tls, "", None).await;
    assert_eq!(made, Ok(Seen { name: Some("host.example".to_owned()), alpn: None, has_certificate: true }));
    // For HTTP it is another configuration.
    let http = bed.meet(bed.issue(&["host.example"]), &tls, "", HttpVersion::Http2).await;
    assert_eq!(http, Ok(seen(Some("host.example"), "h2", true)));
}

#[tokio::test]
async fn an_endpoint_without_the_name_or_of_another_authority_is_refused() {
    let (bed, stranger) = (Bed::new(), Bed::new());
    let tls = || origination(bed.simple());
    let wrong = bed.meet(bed.issue(&["other.example"]), &tls(), "shop.example", HttpVersion::Http1).await.unwrap_err();
    assert!(wrong.contains("not valid for name"), "{wrong}");
    let unknown =
        bed.meet(stranger.issue(&["shop.example"]), &tls(), "shop.example", HttpVersion::Http1).await.unwrap_err();
    // It calls itself the same.
    assert!(unknown.contains("BadSignature"), "{unknown}");
}

#[tokio::test]
async fn a_name_of_the_rule_is_sent_and_has_to_be_proven() {
    let bed = Bed::new();
    let tls = || origination(ClientTls { sni: Some("inner.example".into()), ..bed.simple() });
    let made = bed.meet(bed.issue(&["inner.example"]), &tls(), "shop.example", HttpVersion::Http1).await;
    assert_eq!(made, Ok(seen(Some("inner.example"), "http/1.1", false)));
    bed.meet(bed.issue(&["shop.example"]), &tls(), "shop.example", HttpVersion::Http1).await.unwrap_err();
}

#[tokio::test]
async fn any_listed_name_will_do_and_no_other() {
    let bed = Bed::new();
    let id = "spiffe://cluster.local/ns/a/sa/b";
    let tls = || {
        let names = vec!["one.shop.example".into(), id.into(), "10.0.0.1".into(), "*.exact.example".into()];
        origination(ClientTls { subject_alt_names: names, ..bed.simple() })
    };
    for (names, accepted) in [
        (&["one.shop.example"][..], true),
        (&["*.shop.example"], true),
        (&["x.example", id], true),
        (&["10.0.0.1"], true),
        (&["*.exact.example"], true),
        (&["shop.example"], false),
        (&["a.exact.example"], false),
        (&["spiffe://cluster.local/ns/a/sa/c"], false),
        (&["10.0.0.2"], false),
    ] {
        let made = bed.meet(bed.issue(names), &tls(), "shop.example", HttpVersion::Http1).await;
        assert_eq!(made.is_ok(), accepted, "{names:?} {made:?}");
    }
    // The authority still counts.
    bed.meet(Bed::new().issue(&["one.shop.example"]), &tls(), "shop.example", HttpVersion::Http1).await.unwrap_err();
}

#[tokio::test]
async fn insecure_believes_anybody() {
    let bed = Bed::new();
    let tls = ClientTls { insecure: true, ..bed.simple() };
    let made = bed.meet(Bed::new().issue(&["other"]), &origination(tls), "shop.example", HttpVersion::Http2).await;
    assert_eq!(made, Ok(seen(Some("shop.example"), "h2", false)));
}

#[tokio::test]
async fn mutual_proves_what_the_files_hold() {
    let bed = Bed::new();
    let made =
        bed.meet(bed.issue(&["shop.example"]), &origination(bed.mutual()), "shop.example", HttpVersion::Http1).await;
    assert_eq!(made, Ok(seen(Some("shop.example"), "http/1.1", true)));
}

#[tokio::test]
async fn revoked_certificates_are_refused() {
    let bed = Bed::new();
    let day = |day| rcgen::date_time_ymd(2026, 1, day);
    let list = |serial: u64| {
        let params = CertificateRevocationListParams {
            this_update: day(1),
            next_update: rcgen::date_time_ymd(2096, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(serial),
                revocation_time: day(1),
                reason_code: Some(RevocationReason::KeyCompromise),
                invalidity_date: None,
            }],
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        params.signed_by(&bed.issuer).unwrap().pem().unwrap()
    };
    for (serial, accepted) in [(8, true), (7, false)] {
        let files = TlsFiles { crl: bed.write("list.pem", &list(serial)), ..bed.files() };
        let tls = origination(ClientTls { files, ..bed.simple() });
        let made = bed.meet(bed.issue(&["shop.example"]), &tls, "shop.example", HttpVersion::Http1).await;
        assert_eq!(made.is_ok(), accepted, "{made:?}");
    }
}

#[test]
fn what_cannot_be_followed_is_told() {
    let bed = Bed::new();
    let error = |tls: ClientTls| origination(tls).config(Some(HttpVersion::Http1)).unwrap_err().to_string();
    let keyless = TlsFiles { key: "".into(), ..bed.mutual().files };
    assert_eq!(error(ClientTls { files: keyless, ..bed.mutual() }), "tls.mode MUTUAL needs tls.privateKey");
    let missing = TlsFiles { ca: "/nowhere/ca.pem".into(), ..TlsFiles::default() };
    let missing = error(ClientTls { files: missing, ..bed.simple() });
    assert!(missing.starts_with("/nowhere/ca.pem: "), "{missing}");
    let empty = TlsFiles { ca: bed.write("empty.pem", "nothing"), ..TlsFiles::default() };
    let empty = error(ClientTls { files: empty, ..bed.simple() });
    assert!(empty.ends_with("nothing of that kind is in it, as PEM"), "{empty}");
}

#[test]
fn the_proxys_own_keys_are_nobodys() {
    let bed = Bed::new();
    let tls = bed.mutual();
    let own = |private: PathBuf| {
        let files = Arc::new(TrustedFiles::outside(&private));
        Origination::new(Arc::new(tls.clone()), Arc::default(), files, None).config(Some(HttpVersion::Http1))
    };
    let refused = own(bed.directory.path().to_owned()).unwrap_err().to_string();
    assert!(refused.ends_with("the proxy's own keys are not for rules to use"), "{refused}");
    assert!(own("/nowhere".into()).is_ok());

    // Not by another name either.
    let link = TempDir::new().unwrap();
    let linked = link.path().join("ca.pem");
    std::os::unix::fs::symlink(bed.path("ca.pem"), &linked).unwrap();
    let files = TlsFiles { ca: linked.to_str().unwrap().into(), ..TlsFiles::default() };
    let tls = ClientTls { files, ..bed.simple() };
    let trusted = Arc::new(TrustedFiles::outside(bed.directory.path()));
    Origination::new(Arc::new(tls), Arc::default(), trusted, None).config(Some(HttpVersion::Http1)).unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn files_that_change_are_read_again_and_those_that_do_not_fit_are_not_used() {
    let bed = Bed::new();
    let origination = origination(bed.mutual());
    let config = || origination.config(Some(HttpVersion::Http1)).unwrap();
    let first = config();
    time::advance(LOOK * 2).await;
    assert!(Arc::ptr_eq(&first, &config()));

    bed.write("client.pem", "half of a file");
    assert!(Arc::ptr_eq(&first, &config()));
    time::advance(LOOK).await;
    assert!(Arc::ptr_eq(&first, &config()));

    bed.mutual();
    time::advance(LOOK).await;
    assert!(!Arc::ptr_eq(&first, &config()));
}

#[test]
fn hosts_are_authorities_without_ports() {
    let texts = ["shop.example", "shop.example:8443", "[fd00::1]:443", "10.0.0.1:80", ""];
    assert_eq!(texts.map(host_of), ["shop.example", "shop.example", "fd00::1", "10.0.0.1", ""]);
    let tls = origination(ClientTls { mode: ClientTlsMode::Simple, ..ClientTls::default() });
    assert_eq!(&*tls.server_name(None, "host.example"), "host.example");
    assert_eq!(&*tls.server_name(Some(""), "host.example"), "host.example");
}

#[tokio::test]
async fn the_mesh_says_what_is_spoken() {
    let bed = Bed::new();
    let spoken = |parameters| origination(ClientTls { parameters, ..bed.simple() }).config(None);
    let curves = |named: &str| TlsParameters { curves: vec![named.into()], ..TlsParameters::default() };
    let config = spoken(curves("P-384")).unwrap();
    let groups: Vec<_> = config.crypto_provider().kx_groups.iter().map(|group| group.name()).collect();
    assert_eq!(groups, [rustls::NamedGroup::secp384r1]);
    assert!(spoken(curves("P-521")).unwrap_err().to_string().contains("ecdhCurves"));
    let parameters = TlsParameters { least: Some("TLSV1_3".into()), ..TlsParameters::default() };
    let tls = origination(ClientTls { parameters, ..bed.simple() });
    let made = bed.meet(bed.issue(&["shop.example"]), &tls, "shop.example", HttpVersion::Http1).await;
    assert_eq!(made, Ok(seen(Some("shop.example"), "http/1.1", false)));
}

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use rcgen::{CertificateParams, DnType, KeyPair, SanType, string::Ia5String};
use ripstop_model::{CertificateParts, Topology};

use super::*;

fn certificate(names: &[(DnType, &str)], proven: Vec<SanType>) -> CertificateDer<'static> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, text) in names {
        params.distinguished_name.push(kind.clone(), *text);
    }
    params.subject_alt_names = proven;
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
}

/// What is told of a chain, of its parts that are asked for.
fn of(chain: &[CertificateDer<'_>], parts: Option<CertificateParts>, own: Option<&SpiffeId>) -> String {
    let topology = Topology { client_cert_parts: parts, ..Topology::default() };
    told(chain, &Before { topology, proxy: None }, own).unwrap().into()
}

fn ia5(text: &str) -> Ia5String {
    Ia5String::try_from(text).unwrap()
}

/// What openssl says of a certificate.
fn openssl(leaf: &CertificateDer<'_>, words: &[&str]) -> String {
    let mut child = Command::new("openssl")
        .args(["x509", "-inform", "DER"])
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(leaf).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn it_is_told_as_openssl_reads_it() {
    let names = [
        (DnType::CountryName, "DE"),
        (DnType::OrganizationName, "A, \"B\" + C; <d>"),
        (DnType::OrganizationalUnitName, "#1 \u{fc}ber "),
        (DnType::CommonName, "client=1"),
    ];
    let uri = SanType::URI(ia5("spiffe://cluster.local/ns/shop/sa/client"));
    let hosts = ["client.example", "*.client.example"].map(|host| SanType::DnsName(ia5(host)));
    let leaf = certificate(&names, [vec![uri], hosts.to_vec()].concat());
    let told = of(std::slice::from_ref(&leaf), None, None);
    let subject = openssl(&leaf, &["-noout", "-subject", "-nameopt", "RFC2253"]);
    let subject = subject.trim_end().strip_prefix("subject=").unwrap();
    let hash = openssl(&leaf, &["-noout", "-fingerprint", "-sha256"]);
    let hash = hash.trim_end().split_once('=').unwrap().1.replace(':', "").to_ascii_lowercase();
    let pem = openssl(&leaf, &["-outform", "PEM"]);
    let pem = pem.replace('\n', "%0A").replace(' ', "%20").replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let names = "URI=spiffe://cluster.local/ns/shop/sa/client;DNS=client.example;DNS=*.client.example";
    assert_eq!(*told, format!("Hash={hash};Cert=\"{pem}\";Subject=\"{subject}\";{names}"));
}

#[test]
fn names_add_nothing_of_their_own() {
    let uri = SanType::URI(ia5("https://a/;URI=spiffe://b,By=\"c\\d"));
    let told = of(&[certificate(&[], vec![uri, SanType::URI(ia5("https://a/ b"))])], None, None);
    assert!(told.ends_with(r#";Subject="";URI="https://a/;URI=spiffe://b,By=\"c\\d""#), "{told}");
}

#[test]
fn a_gateway_of_the_mesh_names_itself() {
    let own = "spiffe://cluster.local/ns/istio-system/sa/edge".parse().unwrap();
    let told = of(&[certificate(&[], Vec::new())], None, Some(&own));
    assert!(told.starts_with("By=spiffe://cluster.local/ns/istio-system/sa/edge;Hash="), "{told}");
}

#[test]
fn nothing_is_told_where_nothing_has_to_be() {
    let leaf = [certificate(&[], Vec::new())];
    let topology = Topology { client_cert: Some(ForwardClientCert::ForwardOnly), ..Topology::default() };
    assert_eq!(told(&leaf, &Before { topology, proxy: None }, None).as_deref(), Some(""));
    assert_eq!(told(&[], &Before::default(), None), None);
}

#[test]
fn only_what_is_asked_for_is_told_beside_the_hash() {
    let uri = SanType::URI(ia5("spiffe://cluster.local/ns/shop/sa/client"));
    let leaf = certificate(&[(DnType::CommonName, "a")], vec![uri, SanType::DnsName(ia5("a.example"))]);
    let chain = [leaf.clone(), certificate(&[(DnType::CommonName, "authority")], Vec::new())];
    let told = |parts: &[CertificatePart]| {
        let parts = parts.iter().fold(CertificateParts::NONE, |parts, part| parts.with(*part));
        let told = of(&chain, Some(parts), None);
        let (hash, rest) = told.split_at("Hash=".len() + 64);
        assert!(hash.starts_with("Hash="), "{told}");
        rest.to_owned()
    };
    assert_eq!(told(&[]), "");
    assert_eq!(told(&[CertificatePart::Subject]), ";Subject=\"CN=a\"");
    assert_eq!(
        told(&[CertificatePart::Hosts, CertificatePart::Uris]),
        ";URI=spiffe://cluster.local/ns/shop/sa/client;DNS=a.example"
    );
    let all = [CertificatePart::Chain, CertificatePart::Whole];
    let both: String = chain.iter().map(pem).collect();
    assert_eq!(told(&all), format!(";Cert=\"{}\";Chain=\"{both}\"", pem(&leaf)));
}

#[test]
fn uris_are_named_though_there_are_none() {
    let told = of(&[certificate(&[], Vec::new())], None, None);
    assert!(told.ends_with(";Subject=\"\";URI="), "{told}");
}

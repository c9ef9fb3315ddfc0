//! Certificates and keys for tables.

use std::{collections::BTreeMap, sync::OnceLock};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};

/// The text with certificates and keys in the place of their names: `$GOOD` is for `*.example.com` and lives from 2026 to
/// 2028, `$OLD`, `$SOON` and `$NEW` have ended, end soon and begin later, `$NAMELESS` is for no host, `$OTHER` has the key
/// `$OTHER_KEY` and the others have `$KEY`. `$AUTHORITY` is that of an authority, `$V1` of version 1, `$JUNK` none.
pub(in crate::analyze) fn filled(text: &str) -> String {
    static PEMS: OnceLock<BTreeMap<&str, String>> = OnceLock::new();
    let pems = PEMS.get_or_init(made);
    // Of names that begin alike the longer one goes first.
    pems.iter().rev().fold(text.to_owned(), |text, (name, pem)| text.replace(name, &format!("{pem:?}")))
}

fn made() -> BTreeMap<&'static str, String> {
    let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let certificate = |hosts: &[&str], from: (i32, u8), to: (i32, u8), key: &KeyPair| {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.not_before = date_time_ymd(from.0, from.1, 1);
        params.not_after = date_time_ymd(to.0, to.1, 1);
        params.self_signed(key).unwrap().pem()
    };
    let hosts = ["*.example.com"];
    let mut authority = CertificateParams::new(hosts.map(str::to_owned)).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let junk = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    [
        ("$GOOD", certificate(&hosts, (2026, 1), (2028, 1), &key)),
        ("$OLD", certificate(&hosts, (2025, 1), (2026, 9), &key)),
        ("$SOON", certificate(&hosts, (2026, 1), (2026, 10), &key)),
        ("$NEW", certificate(&hosts, (2026, 10), (2028, 1), &key)),
        ("$NAMELESS", certificate(&[], (2026, 1), (2028, 1), &key)),
        ("$MANY", certificate(&["a.a", "b.a", "c.a", "d.a", "e.a"], (2026, 1), (2028, 1), &key)),
        ("$OTHER", certificate(&hosts, (2026, 1), (2028, 1), &other)),
        ("$OTHER_KEY", other.serialize_pem()),
        ("$KEY", key.serialize_pem()),
        ("$AUTHORITY", authority.self_signed(&key).unwrap().pem()),
        ("$V1", include_str!("../../../../pem/src/tests/version-1.pem").to_owned()),
        ("$JUNK", junk.to_owned()),
    ]
    .into()
}

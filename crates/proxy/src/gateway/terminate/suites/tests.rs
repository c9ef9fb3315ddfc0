use rustls::CipherSuite;

use super::*;

/// Suites of TLS 1.2.
fn old(named: &[&str]) -> Vec<CipherSuite> {
    let named: Vec<Arc<str>> = named.iter().map(|name| (*name).into()).collect();
    let provider = provider(&named);
    let new = provider.cipher_suites.iter().filter(|suite| suite.tls13().is_some()).count();
    assert_eq!(new, 3, "those of TLS 1.3 are always on");
    let old: Vec<_> = provider
        .cipher_suites
        .iter()
        .filter(|suite| suite.tls13().is_none())
        .map(SupportedCipherSuite::suite)
        .collect();
    assert_eq!(has_tls12(&provider), !old.is_empty());
    old
}

#[test]
fn a_name_means_its_suite() {
    assert_eq!(old(&[]).len(), CIPHER_SUITES.len());
    assert_eq!(old(&["ALL", "AES128-SHA"]).len(), CIPHER_SUITES.len());
    for name in CIPHER_SUITES {
        let [found] = old(&[name])[..] else { panic!("{name} is not one suite") };
        // OpenSSL leaves out what is said twice.
        let full =
            format!("{found:?}").replace("TLS_", "").replace("_WITH", "").replace("AES_", "AES").replace('_', "-");
        assert!(full.starts_with(name), "{name} is {full}");
    }
}

#[test]
fn what_is_not_offered_is_replaced_by_nothing() {
    assert_eq!(old(&["AES128-SHA", "ECDHE-RSA-AES256-GCM-SHA384"]).len(), 1);
    assert!(old(&["AES128-SHA"]).is_empty());
    assert!(old(&["!ADH"]).is_empty());
}

use rustls::{
    CipherSuite, NamedGroup,
    ProtocolVersion::{TLSv1_2, TLSv1_3},
};

use super::*;

/// Suites of TLS 1.2.
fn old(named: &[&str]) -> Vec<CipherSuite> {
    let named: Vec<Arc<str>> = named.iter().map(|name| (*name).into()).collect();
    let provider = offered(&named, &[]);
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

/// Names of the groups, and versions.
fn of_curves(named: &[&str], least: Option<&str>) -> Result<(Vec<NamedGroup>, Vec<ProtocolVersion>), ParameterError> {
    let curves = named.iter().map(|name| (*name).into()).collect();
    let parameters = TlsParameters { least: least.map(Arc::from), curves, ..TlsParameters::default() };
    let (provider, versions) = provider(&parameters, None)?;
    let groups = provider.kx_groups.iter().map(|group| group.name()).collect();
    Ok((groups, versions.iter().map(|version| version.version).collect()))
}

#[test]
fn curves_are_offered_in_the_order_that_is_given() {
    let (all, _) = of_curves(&[], None).unwrap();
    assert_eq!(all.len(), CURVES.len());
    let (groups, versions) = of_curves(&["P-384", "P-521", "X25519MLKEM768", "P-256"], None).unwrap();
    assert_eq!(groups, [NamedGroup::secp384r1, NamedGroup::X25519MLKEM768, NamedGroup::secp256r1]);
    assert_eq!(versions, [TLSv1_2, TLSv1_3]);
    assert_eq!(of_curves(&["X25519"], Some("TLSV1_3")).unwrap(), (vec![NamedGroup::X25519], vec![TLSv1_3]));
    // TLS 1.2 has no such group.
    assert_eq!(of_curves(&["X25519MLKEM768"], None).unwrap().1, [TLSv1_3]);
    assert_eq!(of_curves(&["P-521", "P-224"], None), Err(ParameterError::Curves));
}

#[test]
fn versions_lie_between_least_and_most() {
    let versions = |least: Option<&str>, most: Option<&str>| {
        let found = versions(least, most);
        found.map(|found| found.iter().map(|version| version.version).collect::<Vec<_>>())
    };
    assert_eq!(versions(None, None), Ok(vec![TLSv1_2, TLSv1_3]));
    assert_eq!(versions(Some("TLSV1_0"), None), Ok(vec![TLSv1_2, TLSv1_3]));
    assert_eq!(versions(Some("TLSV1_3"), None), Ok(vec![TLSv1_3]));
    assert_eq!(versions(None, Some("TLSV1_2")), Ok(vec![TLSv1_2]));
    assert_eq!(versions(Some("TLSV1_3"), Some("TLSV1_2")), Err(ParameterError::Versions));
    assert_eq!(versions(None, Some("TLSV1_1")), Err(ParameterError::Versions));
}

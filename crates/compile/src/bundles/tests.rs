use super::*;
use crate::{analyze::table::object, finding::BAD_MESH_SETTING, tests::World};

#[test]
fn those_that_can_vouch_for_somebody_are_named() {
    let config = "{meshConfig: {caCertificates: [{pem: x}, {spiffeBundleUrl: 'https://a.example/bundle', trustDomains: [a.example]}, \
                  {spiffeBundleUrl: 'https://own.example'}, {spiffeBundleUrl: 'http://b.example'}, \
                  {spiffeBundleUrl: 'https://c.example', certSigners: [s]}]}}";
    let mut world = World::of(&object("Mesh", "", "default", config));
    let sources = bundle_sources(&world.compile().objects);
    let told = sources.iter().map(|source| {
        let domains: Vec<_> = source.domains.iter().map(ToString::to_string).collect();
        (&*source.url, domains.join(" "), &*source.path)
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("https://a.example/bundle", "a.example".to_owned(), "spec.meshConfig.caCertificates[1].spiffeBundleUrl"),
            ("https://own.example", String::new(), "spec.meshConfig.caCertificates[2].spiffeBundleUrl"),
        ]
    );
    let finding = sources[0].finding(BAD_MESH_SETTING, "why".into(), "what");
    assert_eq!((finding.position.line, &*finding.message), (5, "why"));
}

#[test]
fn they_are_fetched_by_https_alone() {
    for (url, expected) in [
        ("https://a.example", true),
        ("HTTPS://a.example:8443/b?c", true),
        ("http://a.example", false),
        ("https://", false),
        ("https:///a", false),
        ("https://user@a.example/", false),
        ("a.example", false),
        ("https://a b", false),
    ] {
        assert_eq!(is_https(url), expected, "{url}");
    }
}

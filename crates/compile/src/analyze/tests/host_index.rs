//! Hosts that overlap.

use ripstop_model::HostPattern;

use crate::analyze::host_index::HostIndex;

const HOSTS: [&str; 9] = [
    "*",
    "*.com",
    "*.example.com",
    "example.com",
    "a.example.com",
    "b.a.example.com",
    "*.a.example.com",
    "com",
    "xexample.com",
];

#[test]
fn what_overlaps_is_found_from_both_sides() {
    let mut index = HostIndex::default();
    for host in HOSTS {
        index.insert(&HostPattern::new(host), host);
    }
    for host in HOSTS.into_iter().chain(["*.org", "c.org", "z.b.a.example.com", "*.xexample.com"]) {
        let pattern = HostPattern::new(host);
        let mut found: Vec<&str> = index.overlapping(&pattern).copied().collect();
        let mut expected: Vec<&str> =
            HOSTS.into_iter().filter(|other| HostPattern::new(other).overlaps(&pattern)).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{host}");
    }
}

#[test]
fn the_narrowest_comes_first() {
    let mut index = HostIndex::default();
    for host in HOSTS {
        index.insert(&HostPattern::new(host), host);
    }
    let wider = |host: &str| index.wider(&HostPattern::new(host)).concat();
    assert_eq!(wider("b.a.example.com"), ["*.a.example.com", "*.example.com", "*.com", "*"]);
    assert_eq!(wider("*.a.example.com"), ["*.example.com", "*.com", "*"]);
    assert_eq!(wider("*"), Vec::<&str>::new());
}

use super::*;
use crate::HostPattern;

fn entry(host: &str, resolution: Resolution) -> HostEntry {
    HostEntry {
        id: RuleId("ServiceEntry/shop/a/1".into()),
        object: ("shop".into(), "a".into()),
        host: HostPattern::new(host),
        addresses: Vec::new(),
        ports: Vec::new(),
        internal: false,
        allocates: true,
        waypoint: None,
        resolution,
        endpoints: Vec::new(),
        selector: None,
        visibility: Visibility::default(),
        subject_alt_names: Vec::new(),
        created: 0,
    }
}

#[test]
fn a_host_without_addresses_has_one_of_its_own() {
    let own = |host, resolution| entry(host, resolution).own_address();
    let address = own("api.example", Resolution::Dns).unwrap();
    assert!((241..=254).contains(&address.octets()[0]), "{address}");
    // It is the host's, whoever declares it and however.
    assert_eq!(own("api.example", Resolution::Static), Some(address));
    assert_eq!(own("API.example", Resolution::DnsRoundRobin), Some(address));
    assert_ne!(own("api.exampl", Resolution::Dns), Some(address));
    assert_eq!(own("*.example", Resolution::Dns), None);
    assert_eq!(own("api.example", Resolution::Passthrough), None);
    assert_eq!(own("api.example", Resolution::DynamicDns), None);
    let addressed =
        HostEntry { addresses: vec!["192.0.2.1/32".parse().unwrap()], ..entry("api.example", Resolution::Dns) };
    assert_eq!(addressed.own_address(), None);
    let unwilling = HostEntry { allocates: false, ..entry("api.example", Resolution::Dns) };
    assert_eq!(unwilling.own_address(), None);
}

#[test]
fn addresses_of_their_own_are_spread() {
    let own = |index: u32| entry(&format!("host-{index}.example"), Resolution::Dns).own_address().unwrap();
    let all: std::collections::BTreeSet<_> = (0..1000).map(own).collect();
    assert_eq!(all.len(), 1000);
    let nets: std::collections::BTreeSet<_> = all.iter().map(|address| address.octets()[0]).collect();
    assert_eq!(nets.len(), 14);
}

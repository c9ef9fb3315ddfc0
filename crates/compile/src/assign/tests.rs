use proptest::prelude::*;
use ripstop_api::{Kind, Meta, ObjectId, Source, Spec};

use super::*;

fn service(name: &str) -> Object {
    Object {
        id: ObjectId { kind: Kind::Service, namespace: "ns".into(), name: name.into() },
        meta: Meta::default(),
        spec: Spec::Namespace,
        source: Source::default(),
    }
}

/// Addresses of services (with the address that is asked for, oldest first), and codes of findings.
fn assign(
    table: &mut Assignments,
    services: &[(&str, Option<&str>)],
) -> (BTreeMap<String, Ipv4Addr>, Vec<&'static str>) {
    let objects: Vec<_> = services.iter().map(|(name, _)| service(name)).collect();
    let wanted: Vec<_> = objects
        .iter()
        .zip(services)
        .enumerate()
        .map(|(index, (object, (_, requested)))| Wanted {
            object,
            created: index as u64,
            requested: requested.map(|requested| requested.parse().unwrap()),
        })
        .collect();
    let mut findings = Findings::default();
    let vips = table.vips(&wanted, &mut findings);
    (vips, findings.sorted().iter().map(|finding| finding.code).collect())
}

#[test]
fn addresses_that_are_asked_for() {
    let ip = |text: &str| text.parse::<Ipv4Addr>().unwrap();
    let mut table = Assignments::default();
    let (vips, codes) = assign(&mut table, &[("a", Some("240.240.1.1")), ("b", Some("240.240.1.1")), ("c", None)]);
    assert_eq!(vips["ns/a"], ip("240.240.1.1"));
    assert_ne!(vips["ns/b"], ip("240.240.1.1"));
    assert_eq!(codes, ["RS210"]);
    for bad in ["10.0.0.1", "240.241.0.1", "240.240.0.0", "240.240.255.255", "fd00::1"] {
        let (vips, codes) = assign(&mut Assignments::default(), &[("a", Some(bad))]);
        assert_eq!((vips.len(), codes), (1, vec!["RS210"]), "{bad}");
    }
    // The address of a live service cannot be had, that of a gone one can.
    let c = vips["ns/c"].to_string();
    let (vips, codes) = assign(&mut table, &[("c", None), ("d", Some(&c))]);
    assert_eq!((vips["ns/c"], codes), (ip(&c), vec!["RS210"]));
    let (vips, codes) = assign(&mut table, &[("e", Some("240.240.1.1"))]);
    assert_eq!((vips["ns/e"], codes), (ip("240.240.1.1"), vec![]));
    let (vips, _) = assign(&mut table, &[("a", None), ("e", None)]);
    assert_ne!(vips["ns/a"], vips["ns/e"]);
    assert_eq!(vips["ns/e"], ip("240.240.1.1"), "what was had once stays");
}

#[test]
fn a_full_range_gives_up_addresses_of_gone_services_first() {
    let mut table = Assignments::default();
    for number in 1..u32::from(u16::MAX) {
        let address = Ipv4Addr::from(u32::from(VIP_RANGE.network()) + number);
        table.vips.insert(format!("ns/old-{number}"), address);
    }
    let (vips, codes) = assign(&mut table, &[("new", None), ("old-7", None)]);
    assert_eq!((vips.len(), codes.len()), (2, 0));
    assert_eq!(vips["ns/old-7"], Ipv4Addr::new(240, 240, 0, 7), "the live one keeps its own");
    assert_eq!(table.vips.len(), 2);
}

#[test]
fn damaged_tables_are_mended() {
    let ip = Ipv4Addr::new(240, 240, 3, 3);
    let vips = [("ns/a", ip), ("ns/b", ip), ("ns/c", Ipv4Addr::LOCALHOST)]
        .map(|(k, v)| (k.to_owned(), v))
        .into_iter()
        .collect();
    let mut table = Assignments { vips, ..Assignments::default() };
    let (vips, _) = assign(&mut table, &[("b", None), ("c", None)]);
    assert_eq!(vips["ns/b"], ip, "the live one stays");
    assert!(is_assignable(vips["ns/c"]));
}

/// Blocks of nodes in order of name; codes of findings.
fn blocks(table: &mut Assignments, nodes: &[(&str, &[&str])]) -> (Vec<String>, Vec<&'static str>) {
    let declared: Vec<Vec<IpNet>> =
        nodes.iter().map(|(_, blocks)| blocks.iter().map(|block| block.parse().unwrap()).collect()).collect();
    let object = service("node");
    let wanted: Vec<_> = nodes
        .iter()
        .zip(&declared)
        .map(|((name, _), declared)| WantedBlocks { name, created: 0, object: Some(&object), declared })
        .collect();
    let mut findings = Findings::default();
    table.blocks(&wanted, &mut findings);
    let shown = |(name, _): &(&str, &[&str])| {
        let blocks: Vec<_> = table.blocks[*name].iter().map(ToString::to_string).collect();
        format!("{name} {}", blocks.join(" "))
    };
    (nodes.iter().map(shown).collect(), findings.sorted().iter().map(|finding| finding.code).collect())
}

#[test]
fn blocks_of_nodes() {
    let mut table = Assignments::default();
    let (assigned, codes) = blocks(&mut table, &[("b", &[]), ("d", &[])]);
    assert_eq!(assigned, ["b 10.244.1.0/24 fd00:10:244:1::/64", "d 10.244.2.0/24 fd00:10:244:2::/64"]);
    assert!(codes.is_empty());
    let (assigned, _) = blocks(&mut table, &[("a", &[]), ("b", &[]), ("c", &[]), ("d", &[])]);
    assert_eq!(
        assigned,
        [
            "a 10.244.3.0/24 fd00:10:244:3::/64",
            "b 10.244.1.0/24 fd00:10:244:1::/64",
            "c 10.244.4.0/24 fd00:10:244:4::/64",
            "d 10.244.2.0/24 fd00:10:244:2::/64",
        ],
        "nodes that are there keep theirs"
    );
    let (assigned, codes) = blocks(&mut Assignments::default(), &[("a", &[]), ("b", &["10.244.1.0/24", "fd01::/64"])]);
    assert_eq!(assigned, ["a 10.244.2.0/24 fd00:10:244:1::/64", "b 10.244.1.0/24 fd01::/64"]);
    assert!(codes.is_empty());
    let (assigned, codes) = blocks(
        &mut Assignments::default(),
        &[("a", &["10.0.0.0/8"]), ("b", &["10.1.0.0/24"]), ("c", &["100.64.3.0/24"])],
    );
    assert_eq!(codes, ["RS204", "RS204", "RS211", "RS211"], "10.0.0.0/8 leaves nothing for the others");
    assert_eq!(assigned[1], "b fd00:10:244:2::/64");
}

#[test]
fn text_form() {
    let mut table = Assignments::default();
    assign(&mut table, &[("a", None), ("b", None)]);
    blocks(&mut table, &[("n", &[])]);
    table.places.insert("ns/p".into(), "n".into());
    assert_eq!(table.to_string().parse(), Ok(table));
    assert_eq!("".parse(), Ok(Assignments::default()));
    let error = "vip ns/a 240.240.0.1\nvip ns/b nonsense".parse::<Assignments>().unwrap_err();
    assert_eq!(error.line, 2);
}

fn names() -> impl Strategy<Value = BTreeSet<u16>> {
    prop::collection::btree_set(0u16..2000, 0..60)
}

fn wanted(names: &BTreeSet<u16>) -> Vec<String> {
    names.iter().map(|number| format!("s{number}")).collect()
}

proptest! {
    /// Whatever comes and goes, and over restarts, a service keeps its address; no two share one.
    #[test]
    fn addresses_stay(steps in prop::collection::vec(names(), 1..6)) {
        let mut table = Assignments::default();
        let mut seen: BTreeMap<String, Ipv4Addr> = BTreeMap::new();
        for step in &steps {
            let names = wanted(step);
            let services: Vec<_> = names.iter().map(|name| (name.as_str(), None)).collect();
            let (vips, codes) = assign(&mut table, &services);
            prop_assert!(codes.is_empty());
            prop_assert_eq!(vips.len(), names.len());
            let distinct: BTreeSet<_> = vips.values().collect();
            prop_assert_eq!(distinct.len(), vips.len());
            for (name, vip) in vips {
                prop_assert!(is_assignable(vip));
                prop_assert_eq!(*seen.entry(name).or_insert(vip), vip);
            }
            table = table.to_string().parse().unwrap();
        }
    }

    /// Without collisions, an address depends on the service's name alone.
    #[test]
    fn addresses_come_from_names(number: u16) {
        let name = format!("s{number}");
        let (one, _) = assign(&mut Assignments::default(), &[(&name, None)]);
        let (two, _) = assign(&mut Assignments::default(), &[(&name, None)]);
        prop_assert_eq!(one, two);
    }

    /// Blocks never overlap, and nodes keep theirs whoever comes or goes beside them.
    #[test]
    fn blocks_stay(steps in prop::collection::vec(prop::collection::btree_set(0u16..400, 1..20), 1..5)) {
        let mut table = Assignments::default();
        let mut before: BTreeMap<String, Vec<IpNet>> = BTreeMap::new();
        for step in &steps {
            let names = wanted(step);
            let nodes: Vec<_> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
            let (_, codes) = blocks(&mut table, &nodes);
            prop_assert!(codes.is_empty());
            let all: Vec<_> = table.blocks.values().flatten().collect();
            prop_assert_eq!(all.len(), 2 * names.len());
            for (index, one) in all.iter().enumerate() {
                prop_assert!(!all[index + 1..].iter().any(|other| overlap(one, other)));
            }
            for (name, blocks) in &table.blocks {
                if let Some(old) = before.get(name) {
                    prop_assert_eq!(old, blocks);
                }
            }
            before = table.blocks.clone();
        }
    }
}

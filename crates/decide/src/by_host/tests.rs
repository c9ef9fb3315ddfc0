use super::*;

fn map(patterns: &[&'static str]) -> ByHost<Vec<&'static str>> {
    let mut map = ByHost::default();
    for pattern in patterns {
        map.change(&HostPattern::new(pattern), |all: &mut Vec<_>| all.push(*pattern));
    }
    map
}

fn holding(map: &ByHost<Vec<&'static str>>, host: &str) -> String {
    map.holding(host).flatten().copied().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_host_is_found_with_every_wildcard_that_holds_it() {
    let map = map(&["*", "*.com", "a.b.com", "*.b.com", "b.com", "*.a.b.com"]);
    assert_eq!(holding(&map, "a.b.com"), "a.b.com *.b.com *.com *");
    assert_eq!(holding(&map, "b.com"), "b.com *.com *");
    assert_eq!(holding(&map, "com"), "*");
    assert_eq!(holding(&map, "*"), "* *", "a wildcard as a destination is what is declared by it");
}

#[test]
fn what_is_forgotten_is_not_found() {
    let patterns = ["*", "*.com", "a.com"];
    let mut map = map(&patterns);
    let mut found: Vec<_> = map.iter().map(|(pattern, _)| pattern.to_string()).collect();
    found.sort();
    assert_eq!(found, patterns);
    for (at, left) in ["*.com a.com", "a.com", ""].into_iter().enumerate() {
        map.remove(&HostPattern::new(patterns[at]));
        let mut found: Vec<_> = map.iter().map(|(pattern, _)| pattern.to_string()).collect();
        found.sort();
        assert_eq!(found.join(" "), left);
        assert!(map.get(&HostPattern::new(patterns[at])).is_none());
    }
}

#[test]
fn what_is_longer_than_any_name_is_in_the_widest_wildcard_alone() {
    let map = map(&["*", "*.com"]);
    let label = "a.".repeat(125);
    assert_eq!(holding(&map, &format!("{label}com")), "*.com *", "253 bytes");
    assert_eq!(holding(&map, &format!("{label}.com")), "*");
    assert_eq!(crate::call::patterns(&".".repeat(100_000)).last(), Some(HostPattern::Any));
    assert_eq!(crate::call::patterns(&".".repeat(100_000)).count(), 2);
}

use super::*;
use crate::{Change, RuleId, Selector, Snapshot};

fn settings(name: &str, concurrency: u32) -> ProxySettings {
    ProxySettings {
        id: RuleId(format!("ProxyConfig/ns/{name}/1").into()),
        namespace: "ns".into(),
        name: name.into(),
        selector: Selector::default(),
        concurrency: Some(concurrency),
        environment: [].into(),
        created: 0,
    }
}

fn named(name: &str) -> ObjectName {
    ("ns".into(), name.into())
}

fn put(name: &str, concurrency: u32) -> TrafficChange {
    TrafficChange::ProxySettings(named(name), Some(Arc::new(settings(name, concurrency))))
}

fn gone(name: &str) -> TrafficChange {
    TrafficChange::ProxySettings(named(name), None)
}

fn with(changes: impl IntoIterator<Item = TrafficChange>) -> Traffic {
    let mut traffic = Traffic::default();
    for change in changes {
        traffic.apply(change);
    }
    traffic
}

#[test]
fn changes_lead_from_one_to_the_other() {
    let defaults = Arc::new(TrafficDefaults { auto_mtls: false, ..TrafficDefaults::default() });
    let one = with([put("a", 1), put("b", 1), put("d", 1)]);
    let two = with([put("b", 2), put("c", 1), put("d", 1), TrafficChange::Defaults(defaults.clone())]);
    let changes = one.changes_to(&two);
    assert_eq!(changes, [TrafficChange::Defaults(defaults), gone("a"), put("b", 2), put("c", 1)]);
    let mut there = one.clone();
    for change in changes {
        there.apply(change);
    }
    assert_eq!(there, two);
    assert_eq!(one.changes_to(&one), []);
    assert_eq!(one.changes_to(&with([put("d", 1), put("b", 1), put("a", 1)])), [], "however it came to that");
}

#[test]
fn equal_things_stay_the_same() {
    let one = with([put("a", 1)]);
    let mut same = one.clone();
    same.apply(put("a", 1));
    same.apply(TrafficChange::Defaults(Arc::new(TrafficDefaults::default())));
    same.apply(gone("b"));
    assert!(Arc::ptr_eq(&same.proxy_settings[&named("a")], &one.proxy_settings[&named("a")]));
    assert!(Arc::ptr_eq(&same.defaults, &one.defaults));
    same.apply(put("a", 2));
    assert_eq!(*same.proxy_settings[&named("a")], settings("a", 2));
    assert_eq!(*one.proxy_settings[&named("a")], settings("a", 1));
}

#[test]
fn snapshots_take_objects_one_by_one_or_all_at_once() {
    let one = Snapshot::default().with(1, [put("a", 1), put("b", 1)].map(Change::TrafficObject));
    assert_eq!(one.traffic(), &with([put("a", 1), put("b", 1)]));
    let whole = Change::Traffic(Box::new(with([put("c", 1)])));
    let two = one.with(2, [whole, Change::TrafficObject(put("d", 1))]);
    assert_eq!(two.traffic(), &with([put("c", 1), put("d", 1)]));
    assert_eq!(one.traffic().proxy_settings.len(), 2, "an old snapshot does not change");
}

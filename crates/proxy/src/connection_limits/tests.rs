use std::time::Duration;

use ripstop_model::{RuleId, TrafficPolicy, TrafficTargetKind};

use super::*;

const OPEN: MostConnections = MostConnections::Open(2);

fn rate(count: u32) -> MostConnections {
    MostConnections::New { count, interval: Duration::from_secs(3600), burst: count }
}

/// A proxy, and a policy for `web`.
struct Bed {
    limits: ConnectionLimits,
    policy: Arc<TrafficPolicy>,
}

impl Bed {
    fn new(limits: &[(ConnectionKey, MostConnections, bool)]) -> Self {
        Self { limits: ConnectionLimits::default(), policy: policy(limits) }
    }

    fn come(&self, peer: Option<&str>, source: &str) -> Result<Admitted, Error> {
        self.come_to(None, peer, source)
    }

    fn come_to(&self, instance: Option<&str>, peer: Option<&str>, source: &str) -> Result<Admitted, Error> {
        let peer: Option<SpiffeId> = peer.map(|peer| peer.parse().unwrap());
        let found = Connecting {
            policy: &self.policy,
            target: &self.policy.targets[0],
            limits: &self.policy.connection_limits,
        };
        let caller = Caller { peer: peer.as_ref(), source: source.parse().unwrap() };
        self.limits.admit(&[found], instance.map(WorkloadUid::new).as_ref(), caller)
    }

    /// Passed, refused, and spared on trial, by what is counted.
    fn counted(&self) -> Vec<String> {
        let mut text = String::new();
        self.limits.render(&mut text);
        let counts = text.lines().filter_map(|line| line.split_once("counts="));
        counts.map(|(_, count)| count.replace(['"', '}', ','], " ").trim().to_owned()).collect()
    }
}

fn policy(limits: &[(ConnectionKey, MostConnections, bool)]) -> Arc<TrafficPolicy> {
    let limit = |(index, (key, most, dry_run)): (usize, &(ConnectionKey, MostConnections, bool))| {
        let id = RuleId(format!("TrafficPolicy/shop/a/1/spec.connectionLimits[{index}]").into());
        Arc::new(ConnectionLimit { id, key: *key, most: *most, dry_run: *dry_run })
    };
    Arc::new(TrafficPolicy {
        id: RuleId("TrafficPolicy/shop/a/1".into()),
        namespace: "shop".into(),
        name: "a".into(),
        targets: vec![TrafficTarget { kind: TrafficTargetKind::Service, name: "web".into(), section: None }],
        rate_limits: Vec::new(),
        global_rate_limits: Vec::new(),
        connection_rates: Vec::new(),
        connection_limits: limits.iter().enumerate().map(limit).collect(),
        balancing: None,
        health_checks: None,
        adaptive_concurrency: None,
        hedging: None,
        retry_budget: None,
        session_affinity: None,
        created: 1,
    })
}

const ANN: Option<&str> = Some("spiffe://cluster.local/ns/shop/sa/ann");
const BOB: Option<&str> = Some("spiffe://cluster.local/ns/shop/sa/bob");

#[test]
fn so_many_may_be_open_and_who_leaves_makes_room() {
    let bed = Bed::new(&[(ConnectionKey::All, OPEN, false)]);
    let first = bed.come(None, "10.0.0.1:1").unwrap();
    let _second = bed.come(None, "10.0.0.2:1").unwrap();
    let error = bed.come(None, "10.0.0.3:1").unwrap_err();
    assert_eq!(error.to_string(), "there may be no more than 2 open connections, and there are");
    assert_eq!(error.policy().unwrap(), &RuleId("TrafficPolicy/shop/a/1/spec.connectionLimits[0]".into()));
    assert_eq!(error.flag(), ripstop_telemetry::ResponseFlag::RateLimited);
    drop(first);
    let _third = bed.come(None, "10.0.0.3:1").unwrap();
    assert!(bed.come(None, "10.0.0.1:1").is_err());
    assert_eq!(bed.limits.inspect()[0]["open"], 2);
    assert_eq!(bed.counted(), ["open  result= passed   3", "open  result= refused   2", "open  result= dry_run   0"]);
}

#[test]
fn those_that_have_something_in_common_count_together() {
    let bed = Bed::new(&[(ConnectionKey::Identity, OPEN, false)]);
    let _held: Vec<_> =
        [ANN, ANN, BOB, BOB, None, None].iter().map(|peer| bed.come(*peer, "10.0.0.1:1").unwrap()).collect();
    for peer in [ANN, BOB, None] {
        assert!(bed.come(peer, "10.9.9.9:1").is_err(), "{peer:?}");
    }
    let bed = Bed::new(&[(ConnectionKey::SourceAddress, OPEN, false)]);
    let _one = [bed.come(ANN, "10.0.0.1:1").unwrap(), bed.come(BOB, "[::ffff:10.0.0.1]:2").unwrap()];
    assert!(bed.come(None, "10.0.0.1:3").is_err());
    let _net = [bed.come(None, "[2001:db8::1]:1").unwrap(), bed.come(None, "[2001:db8::ffff]:1").unwrap()];
    assert!(bed.come(None, "[2001:db8::2]:1").is_err());
    assert!(bed.come(None, "[2001:db8:0:1::2]:1").is_ok());
    // Each instance counts for itself.
    let bed = Bed::new(&[(ConnectionKey::All, MostConnections::Open(1), false)]);
    let _one = bed.come_to(Some("a"), None, "10.0.0.1:1").unwrap();
    assert!(bed.come_to(Some("a"), None, "10.0.0.1:1").is_err());
    assert!(bed.come_to(Some("b"), None, "10.0.0.1:1").is_ok());
}

#[test]
fn so_many_may_come_in_a_time() {
    let bed = Bed::new(&[(ConnectionKey::Identity, rate(2), false)]);
    for _ in 0..2 {
        drop(bed.come(ANN, "10.0.0.1:1").unwrap());
    }
    let error = bed.come(ANN, "10.0.0.1:1").unwrap_err().to_string();
    assert!(error.contains("2 new connections of each identity in 3600s, 2 at once"), "{error}");
    assert!(bed.come(BOB, "10.0.0.1:1").is_ok());
}

#[test]
fn what_one_limit_refuses_is_counted_by_none() {
    let bed =
        Bed::new(&[(ConnectionKey::All, rate(3), false), (ConnectionKey::Identity, MostConnections::Open(1), false)]);
    let ann = bed.come(ANN, "10.0.0.1:1").unwrap();
    for _ in 0..5 {
        assert!(bed.come(ANN, "10.0.0.1:1").is_err());
    }
    drop(ann);
    // Two of three are left.
    drop(bed.come(ANN, "10.0.0.1:1").unwrap());
    drop(bed.come(ANN, "10.0.0.1:1").unwrap());
    assert!(bed.come(ANN, "10.0.0.1:1").is_err());
    // Of open ones, what was taken before another refused is given back.
    let bed = Bed::new(&[(ConnectionKey::All, OPEN, false), (ConnectionKey::All, rate(1), false)]);
    drop(bed.come(ANN, "10.0.0.1:1").unwrap());
    assert!(bed.come(ANN, "10.0.0.1:1").is_err());
    let rows = bed.limits.inspect();
    let open = rows.as_array().unwrap().iter().find(|row| row["counts"] == "open").unwrap();
    assert_eq!(open["open"], 0);
}

#[test]
fn a_limit_on_trial_refuses_nobody_and_counts_all_that_are_open() {
    let bed = Bed::new(&[(ConnectionKey::All, OPEN, true), (ConnectionKey::Identity, rate(1), true)]);
    let held: Vec<_> = (0..4).map(|_| bed.come(ANN, "10.0.0.1:1").unwrap()).collect();
    let dry: Vec<_> = bed.counted().into_iter().filter(|line| line.contains("dry_run")).collect();
    assert_eq!(dry, ["new  result= dry_run   3", "open  result= dry_run   2"]);
    drop(held);
    assert_eq!(bed.limits.inspect().as_array().unwrap().iter().filter(|row| row["open"] == 0).count(), 1);
}

/// What is open counts when the number changes.
#[test]
fn a_new_number_holds_for_those_that_are_open() {
    let mut bed = Bed::new(&[(ConnectionKey::All, MostConnections::Open(5), false)]);
    let mut held: Vec<_> = (0..4).map(|_| bed.come(None, "10.0.0.1:1").unwrap()).collect();
    bed.policy = policy(&[(ConnectionKey::All, MostConnections::Open(2), false)]);
    assert!(bed.come(None, "10.0.0.1:1").is_err());
    held.truncate(1);
    held.push(bed.come(None, "10.0.0.1:1").unwrap());
    assert!(bed.come(None, "10.0.0.1:1").is_err());
}

#[test]
fn callers_without_end_leave_nothing_behind() {
    let bed = Bed::new(&[(ConnectionKey::SourceAddress, OPEN, false)]);
    for number in 0..10_000_u32 {
        let address = std::net::Ipv4Addr::from(number);
        drop(bed.come(None, &format!("{address}:1")).unwrap());
    }
    let counters = &bed.limits.lock().counters;
    let Counting::Open(open) = &counters.values().next().unwrap().counting else { unreachable!() };
    assert!(counters.len() == 1 && lock(open).is_empty());
}

#[test]
fn what_comes_to_a_port_has_a_limit_of_its_own() {
    let limits = ConnectionLimits::default();
    let (one, other) = (WorkloadUid::new("one"), WorkloadUid::new("other"));
    let id = RuleId("Sidecar/shop/own/1".into());
    let enter = |uid: &WorkloadUid, port: u16| {
        let mut admitted = Admitted::default();
        limits.enter(&mut admitted, (uid, port), 2, &id).map(|()| admitted)
    };
    let held = [enter(&one, 80).unwrap(), enter(&one, 80).unwrap()];
    let error = enter(&one, 80).unwrap_err();
    assert_eq!(error.to_string(), "there may be no more than 2 connections to port 80, and there are");
    assert_eq!(error.policy(), Some(&id));
    // Other ports and workloads count for themselves.
    let elsewhere = [enter(&one, 81).unwrap(), enter(&other, 80).unwrap()];
    drop(held);
    let _again = [enter(&one, 80).unwrap(), enter(&one, 80).unwrap()];
    assert!(enter(&one, 80).is_err());
    drop(elsewhere);
}

use super::*;
use crate::samples::workload;
use ripstop_model::{
    Action, Authorization, Change, MtlsMode, PeerAuthentication, PolicyTarget, Quarantine, RuleId, Selector,
};

fn holder(address: &str, udp: bool, processes: &[(u32, &str)]) -> Holder {
    let processes = processes.iter().map(|(pid, name)| (*pid, (*name).to_owned())).collect();
    Holder { address: address.parse().unwrap(), udp, processes }
}

#[test]
fn what_is_in_the_way_is_named() {
    let held = [
        holder("0.0.0.0:15001", false, &[(7, "envoy"), (8, "envoy")]),
        holder("[::]:15053", true, &[(9, "dnsmasq")]),
        holder("127.0.0.1:15008", false, &[]),
    ];
    assert_eq!(
        in_the_way(&held),
        "port 15001 is held by envoy (pid 7), envoy (pid 8); UDP port 15053 is held by dnsmasq (pid 9); \
         port 15008 is held by a process that cannot be seen"
    );
}

#[test]
fn wishes_are_checked_and_bounded() {
    let request = |kind, count| SocketRequest { id: 1, uid: "a/b".into(), kind, ipv6: true, count };
    let wish = prepared(&request(WireKind::Transparent.into(), 1000)).ok().unwrap();
    assert_eq!((wish.kind, wish.family, wish.count), (SocketKind::Transparent, Family::V6, 64));
    assert_eq!(prepared(&request(WireKind::DnsReply.into(), 0)).ok().unwrap().count, 1);
    assert_eq!(prepared(&request(77, 1)).err().unwrap(), "kind 77 of sockets is not known");
}

#[test]
fn policy_judges_what_others_connected_to() {
    let tuple = |local: &str, remote: &str| Tuple { local: local.parse().unwrap(), remote: remote.parse().unwrap() };
    let listening = HashSet::from([40_000]);
    assert!(is_inbound(&tuple("10.0.0.1:8080", "10.0.0.2:50000"), &listening));
    assert!(is_inbound(&tuple("10.0.0.1:40000", "10.0.0.2:50000"), &listening));
    assert!(!is_inbound(&tuple("10.0.0.1:50000", "10.0.0.2:8080"), &listening));

    let policy = PeerAuthentication {
        id: RuleId("PeerAuthentication/shop/default/1".into()),
        namespace: "shop".into(),
        name: "default".into(),
        selector: Selector::default(),
        mode: Some(MtlsMode::Strict),
        ports: [].into(),
        created: 1,
    };
    let workload = Arc::new(workload("web-0", "shop", &["10.0.0.1"], &[]));
    let before = Arc::new(Program::default());
    let after = Arc::new(before.with(1, [Change::PeerAuthentication(Arc::new(policy))]));
    let open = tuple("10.0.0.1:8080", "10.0.0.2:50000");
    assert!(Judge { workload: workload.clone(), program: before.clone() }.verdict(&open).is_allow());
    assert!(!Judge { workload: workload.clone(), program: after }.verdict(&open).is_allow());

    let nobody = Authorization {
        id: RuleId("AuthorizationPolicy/shop/nobody/1".into()),
        namespace: "shop".into(),
        name: "nobody".into(),
        target: PolicyTarget::Workloads(Selector::default()),
        action: Action::Allow,
        dry_run: false,
        rules: Vec::new(),
        created: 1,
    };
    let after = Arc::new(before.with(1, [Change::Authorization(Arc::new(nobody))]));
    assert!(!Judge { workload, program: after }.verdict(&open).is_allow());
}

#[test]
fn quarantine_judges_what_the_workload_connected_to() {
    let tuple = |local: &str, remote: &str| Tuple { local: local.parse().unwrap(), remote: remote.parse().unwrap() };
    let free = workload("web-0", "shop", &["10.0.0.1"], &[]);
    let quarantine = Quarantine { rule: RuleId("Process/shop/web/2/label".into()), peers: Vec::new() };
    let cut_off = Workload { quarantine: Some(Arc::new(quarantine)), ..free.clone() };
    let refused = |own: &Workload, remote: &str| {
        let program = Arc::new(Program::default().with(1, [Change::Workload(Arc::new(own.clone()))]));
        let judge = Judge { workload: Arc::new(own.clone()), program };
        judge.refusal(&tuple("10.0.0.1:50000", remote), &HashSet::new()).is_some()
    };
    assert!(!refused(&free, "10.0.0.2:8080"));
    assert!(refused(&cut_off, "10.0.0.2:8080"));
    // Itself it may call.
    assert!(!refused(&cut_off, "10.0.0.1:8080"));
    assert!(!refused(&cut_off, "127.0.0.1:8080"));
}

#[tokio::test]
async fn a_crashed_operation_is_told() {
    for operation in [
        Operation::Probe,
        Operation::Open,
        Operation::Enrol,
        Operation::Leave,
        Operation::Remove,
        Operation::Refresh(None),
    ] {
        let outcome = (operation.crashed())("panicked");
        let (Outcome::Probed(Err(told))
        | Outcome::Plain(Err(told))
        | Outcome::Opened(Err(Opened::Failed(told)))
        | Outcome::Step(Event::Enrolled(Err(told)) | Event::Left(Err(told)) | Event::Removed(Err(told)))) = outcome
        else {
            panic!("not told")
        };
        assert_eq!(told, "panicked");
    }
}

use super::*;

#[test]
fn each_kind_and_port_counts_for_itself() {
    let pools = InboundPools::default();
    let (one, other) = (WorkloadUid::new("one"), WorkloadUid::new("other"));
    let id = RuleId("Sidecar/shop/own/1".into());
    let pool = ConnectionPool {
        max_requests: Some(2),
        max_pending_requests: Some(1),
        max_retries: Some(1),
        ..ConnectionPool::default()
    };
    let limits = RequestLimits::from_pool(Some(&id), &pool);
    let take = |uid: &WorkloadUid, port: u16, counting| pools.take(&limits, (uid, port), counting);
    let held = [take(&one, 80, Counting::Request).unwrap(), take(&one, 80, Counting::Request).unwrap()];
    let error = take(&one, 80, Counting::Request).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there may be no more than 2 requests at once to port 80, and there are (connectionPool.http of its Sidecar)"
    );
    assert_eq!(error.policy(), Some(&id));
    // Of other kinds, ports and workloads there are none yet.
    for counting in [Counting::Waiting, Counting::Retry] {
        let held = take(&one, 80, counting).unwrap();
        assert!(take(&one, 80, counting).is_err(), "{counting:?}");
        drop(held);
        drop(take(&one, 80, counting).unwrap());
    }
    let elsewhere = [take(&one, 81, Counting::Request).unwrap(), take(&other, 80, Counting::Request).unwrap()];
    drop(held);
    let _again = [take(&one, 80, Counting::Request).unwrap(), take(&one, 80, Counting::Request).unwrap()];
    assert!(take(&one, 80, Counting::Request).is_err());
    drop(elsewhere);
    // Where nothing is said, there may be any number.
    let all: Vec<Place> =
        (0..9).map(|_| pools.take(&RequestLimits::default(), (&one, 80), Counting::Request).unwrap()).collect();
    assert_eq!(all.len(), 9);
}

use ripstop_telemetry::ResponseFlag;
use tokio::time::timeout;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_connection_is_over_when_it_has_lasted_for_its_lifetime() {
    let (shorter, short, long) = (Duration::from_secs(4), Duration::from_secs(5), Duration::from_hours(1));
    let error = timeout(long, Lifetime::of(Some(short)).over()).await.unwrap();
    assert_eq!(error.flag(), ResponseFlag::DurationTimeout);
    assert!(error.to_string().contains("it was open for 5s"), "{error}");
    assert!(timeout(shorter, Lifetime::of(Some(short)).over()).await.is_err());
    assert!(timeout(long, Lifetime::of(None).over()).await.is_err());
}

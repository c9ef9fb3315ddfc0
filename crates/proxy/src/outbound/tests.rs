use ripstop_telemetry::ResponseFlag;
use tokio::time::timeout;

use super::*;

const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn a_connection_is_over_when_it_has_lasted_for_its_lifetime() {
    let error = timeout(LIMIT * 2, Lifetime::of(Some(LIMIT)).over()).await.unwrap();
    assert_eq!(error.flag(), ResponseFlag::DurationTimeout);
    assert!(error.to_string().contains("it was open for 5s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn it_is_not_over_before_and_without_one_it_never_is() {
    assert!(timeout(LIMIT / 2, Lifetime::of(Some(LIMIT)).over()).await.is_err());
    assert!(timeout(LIMIT * 1000, Lifetime::of(None).over()).await.is_err());
}

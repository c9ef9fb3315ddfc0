use ripstop_telemetry::ResponseFlag;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use super::*;
use crate::testing::{LONG, pair, run};

const LIMIT: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_millis(300);
/// What the kernel's own clock may be off by.
const TICK: Duration = Duration::from_millis(50);

fn within(limit: Duration) -> Lifetime {
    Lifetime::begins(Some(limit), None)
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_over_when_it_has_lasted_for_its_lifetime() {
    let error = timeout(LIMIT * 2, within(LIMIT).over(None)).await.unwrap();
    assert_eq!(error.flag(), ResponseFlag::DurationTimeout);
    assert!(error.to_string().contains("it was open for 5s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn it_is_not_over_before_and_without_one_it_never_is() {
    assert!(timeout(LIMIT / 2, within(LIMIT).over(None)).await.is_err());
    assert!(timeout(LIMIT * 1000, Lifetime::endless().over(None)).await.is_err());
}

#[test]
fn it_is_over_when_nothing_has_passed_for_as_long_as_nothing_may() {
    run(async {
        for (sends, receives) in [(true, false), (false, true), (false, false)] {
            let (mut caller, mut own, _) = pair().await;
            let began = Instant::now();
            let over = Lifetime::begins(None, Some(SILENCE)).over(Some(&own));
            let mut last = began;
            let talk = async {
                let mut byte = [0];
                while (sends || receives) && began.elapsed() < SILENCE * 4 {
                    last = Instant::now();
                    if receives {
                        caller.write_all(b"a").await.unwrap();
                        own.read_exact(&mut byte).await.unwrap();
                    } else {
                        own.write_all(b"a").await.unwrap();
                        caller.read_exact(&mut byte).await.unwrap();
                    }
                    sleep(SILENCE / 30).await;
                }
            };
            let (error, ()) = timeout(LONG, async { tokio::join!(over, talk) }).await.expect("it is over at last");
            assert!(matches!(error, Error::Silent(limit) if limit == SILENCE), "{error}");
            assert!(last.elapsed() + TICK >= SILENCE, "{:?}", last.elapsed());
        }
    });
}

#[test]
fn whoever_watches_keeps_no_connection_open() {
    run(async {
        let (mut caller, own, _) = pair().await;
        let over = Lifetime::begins(Some(LONG * 2), Some(LONG * 2)).over(Some(&own));
        drop(own);
        drop(over);
        assert_eq!(timeout(LONG, caller.read(&mut [0])).await.expect("it ends").unwrap(), 0);
    });
}

use tokio::task::LocalSet;

use super::*;

/// Runs `test` on a clock that moves only when everybody waits.
fn simulated(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test);
}

async fn fired(timer: &Timer) -> Duration {
    let start = Instant::now();
    poll_fn(|cx| timer.poll(cx)).await;
    start.elapsed()
}

#[test]
fn deadlines_are_met_and_at_most_a_tick_late() {
    simulated(async {
        for millis in [0, 1, 15, 16, 17, 100, 4_095, 4_096, 4_097, 10_000, 300_000] {
            let timer = Timer::default();
            timer.set(Instant::now() + Duration::from_millis(millis));
            let late = fired(&timer).await.as_millis();
            assert!((u128::from(millis)..=u128::from(millis) + 17).contains(&late), "{millis} ms took {late}");
        }
    });
}

#[test]
fn a_deadline_can_be_moved_both_ways() {
    simulated(async {
        let timer = Timer::default();
        timer.set(Instant::now() + Duration::from_secs(1));
        timer.set(Instant::now() + Duration::from_secs(20));
        assert!((20_000..20_020).contains(&fired(&timer).await.as_millis()));
        timer.set(Instant::now() + Duration::from_secs(20));
        timer.set(Instant::now() + Duration::from_secs(1));
        assert!((1_000..1_020).contains(&fired(&timer).await.as_millis()));
        // Nothing is left of the others.
        timer.set(Instant::now() + Duration::from_secs(60));
        assert!((60_000..60_020).contains(&fired(&timer).await.as_millis()));
    });
}

#[test]
fn many_timers_fire_in_order() {
    simulated(async {
        let timers: Vec<_> = (0..1_000_u64).map(|n| (n * 7919 % 30_000, Timer::default())).collect();
        let start = Instant::now();
        for (millis, timer) in &timers {
            timer.set(start + Duration::from_millis(*millis));
        }
        for (millis, timer) in &timers {
            poll_fn(|cx| timer.poll(cx)).await;
            assert!(start.elapsed() >= Duration::from_millis(*millis));
        }
        assert!(start.elapsed() < Duration::from_millis(30_017));
    });
}

#[test]
fn without_timers_nobody_turns_the_wheel() {
    simulated(async {
        let timer = Timer::default();
        timer.set(Instant::now() + Duration::from_millis(10));
        fired(&timer).await;
        drop(timer);
        let dropped = Timer::default();
        dropped.set(Instant::now() + Duration::from_millis(100));
        drop(dropped);
        tokio::time::sleep(Duration::from_secs(1)).await;
        WHEEL.with(|wheel| {
            assert_eq!(wheel.entries.get(), 0);
            assert_eq!(wheel.next.get(), None);
            assert!(wheel.turner.borrow().is_none());
        });
        let again = Timer::default();
        again.set(Instant::now() + Duration::from_secs(5));
        assert!((5_000..5_020).contains(&fired(&again).await.as_millis()));
    });
}

#[test]
fn within_gives_the_value_or_nothing() {
    simulated(async {
        assert_eq!(Timer::within(Duration::from_secs(1), async { 7 }).await, Some(7));
        let start = Instant::now();
        assert_eq!(Timer::within(Duration::from_secs(1), std::future::pending::<()>()).await, None);
        assert!((1_000..1_020).contains(&start.elapsed().as_millis()));
    });
}

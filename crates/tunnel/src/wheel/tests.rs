use tokio::task::LocalSet;

use super::*;

thread_local! {
    /// How often the turning task has looked.
    pub(super) static TURNS: Cell<usize> = const { Cell::new(0) };
}

fn entries() -> usize {
    WHEEL.with(|wheel| wheel.entries.get())
}

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

#[test]
fn what_is_ready_at_once_is_not_filed() {
    simulated(async {
        let before = entries();
        for n in 0..100 {
            assert_eq!(Timer::within(Duration::from_secs(10), async move { n }).await, Some(n));
        }
        assert_eq!(entries(), before);
    });
}

/// The timers of connections that were answered in time do not pile up until they would have been due.
#[test]
fn the_wheel_forgets_timers_that_are_gone() {
    simulated(async {
        let kept: Vec<_> = (0..1_000_u64).map(|_| Timer::default()).collect();
        let due = Instant::now() + Duration::from_secs(10);
        for timer in &kept {
            timer.set(due);
        }
        for n in 0..20_000_u64 {
            let timer = Timer::default();
            timer.set(due + Duration::from_millis(n % 5_000));
            if n % 2 == 0 {
                // It is filed twice now.
                timer.set(due - Duration::from_secs(1));
            }
            drop(timer);
            assert!(entries() <= 2 * kept.len() + 2 * SLOTS, "{} entries for {} timers", entries(), kept.len());
        }
        for timer in &kept {
            poll_fn(|cx| timer.poll(cx)).await;
        }
        assert!((due..due + Duration::from_millis(17)).contains(&Instant::now()), "what was kept is on time");
        drop(kept);
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert_eq!(entries(), 0);
    });
}

#[test]
fn far_deadlines_wake_nobody_before_they_are_due() {
    simulated(async {
        let before = TURNS.get();
        // All in one slot.
        let timers: Vec<_> = (0..5).map(|_| Timer::default()).collect();
        let start = Instant::now();
        let round = TICK * u32::try_from(SLOTS).unwrap();
        for (timer, rounds) in timers.iter().zip([50, 20, 30, 20, 40]) {
            timer.set(start + Duration::from_millis(100) + round * rounds);
        }
        for (timer, rounds) in timers.iter().zip([50, 20, 30, 20, 40]) {
            poll_fn(|cx| timer.poll(cx)).await;
            assert!(start.elapsed() >= Duration::from_millis(100) + round * rounds);
        }
        assert!(start.elapsed() <= Duration::from_millis(117) + round * 50);
        drop(timers);
        // The last look may be yet to come.
        tokio::task::yield_now().await;
        assert_eq!(TURNS.get() - before, 4, "one for each deadline");
    });
}

#[test]
fn a_deadline_that_was_cleared_never_comes() {
    simulated(async {
        let (cleared, kept) = (Timer::default(), Timer::default());
        cleared.set(Instant::now() + Duration::from_millis(100));
        kept.set(Instant::now() + Duration::from_millis(200));
        cleared.clear();
        poll_fn(|cx| {
            assert!(cleared.poll(cx).is_pending());
            kept.poll(cx)
        })
        .await;
        // It can be set again.
        cleared.set(Instant::now() + Duration::from_millis(100));
        poll_fn(|cx| cleared.poll(cx)).await;
    });
}

use super::*;

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn kept() -> Kept {
    let mut kept = Kept::default();
    kept.keep(&[std::fs::File::open("/dev/null").unwrap().into()]);
    kept
}

#[test]
fn a_proxy_that_serves_them_may_take_its_time() {
    let mut kept = kept();
    kept.handed_over(at(0));
    assert_eq!(kept.close_due(), Some(at(5)));
    kept.acknowledged();
    assert_eq!(kept.close_due(), None);
    // Its successor has time of its own.
    kept.await_successor(at(100));
    assert_eq!(kept.close_due(), Some(at(105)));
    kept.handed_over(at(103));
    assert_eq!(kept.close_due(), Some(at(108)));
    kept.acknowledged();
    assert_eq!((kept.close_due(), kept.copies().len()), (None, 1));
}

#[test]
fn a_crash_loop_does_not_keep_them_open() {
    let mut kept = kept();
    for second in 0..4 {
        kept.handed_over(at(second));
        kept.await_successor(at(second));
    }
    assert_eq!(kept.close_due(), Some(at(5)));
    kept.let_go();
    assert!(kept.is_empty());
    kept.await_successor(at(6));
    assert_eq!(kept.close_due(), None);
}

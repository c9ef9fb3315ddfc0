use super::*;

#[test]
fn keys_of_the_first_rate_are_those_it_always_had() {
    assert_eq!(Shown::P50.key(Rate::Thousand), "paced_p50_us");
    assert_eq!(Shown::P50OverDirect.key(Rate::Thousand), "paced_p50_over_direct_us");
    assert_eq!(Shown::P999.key(Rate::TenThousand), "paced_10000_p999_us");
}

#[test]
fn connections_have_more_than_the_timer_needs_between_two_requests() {
    for rate in Rate::ALL {
        assert!(rate.connections() * 1_000 >= 5 * rate.per_second(), "{rate:?}");
    }
}

#[test]
fn per_cent_are_of_the_direct_way() {
    assert_eq!(percent_over(200.0, 266.0), Some(33.0));
    assert_eq!(percent_over(200.0, 150.0), Some(-25.0));
    assert_eq!(percent_over(0.0, 150.0), None);
}

#[test]
fn a_rate_is_kept_if_all_but_the_last_were_answered() {
    assert!(Rate::Published.is_kept_by(3_195.0));
    assert!(!Rate::Published.is_kept_by(3_100.0));
}

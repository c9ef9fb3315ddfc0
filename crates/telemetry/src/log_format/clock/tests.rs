use std::time::Duration;

use super::*;

fn written(clock: &Clock, time: SystemTime) -> String {
    let mut out = String::new();
    clock.write(time, &mut out).unwrap();
    out
}

/// Wednesday, 2020-11-25T21:26:18.409512037Z.
fn then() -> SystemTime {
    UNIX_EPOCH + Duration::new(1_606_339_578, 409_512_037)
}

#[test]
fn the_standard_time_has_milliseconds() {
    assert_eq!(written(&Clock::standard(), then()), "2020-11-25T21:26:18.409Z");
    assert_eq!(written(&Clock::standard(), UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
    assert_eq!(written(&Clock::standard(), UNIX_EPOCH - Duration::from_millis(1)), "1969-12-31T23:59:59.999Z");
}

#[test]
fn letters_are_those_of_strftime() {
    for (format, expected) in [
        ("%Y/%m/%dT%H:%M:%S%z %s", "2020/11/25T21:26:18+0000 1606339578"),
        ("%s.%3f", "1606339578.409"),
        ("%s.%6f", "1606339578.409512"),
        ("%s.%9f|%f|%1f", "1606339578.409512037|409512037|4"),
        ("%a %A %b %B %h", "Wed Wednesday Nov November Nov"),
        ("%F %T %D %R", "2020-11-25 21:26:18 11/25/20 21:26"),
        ("%I %p %C %y %j %u %w %e %Z", "09 PM 20 20 330 3 3 25 UTC"),
        ("100%%", "100%"),
        ("", ""),
    ] {
        assert_eq!(written(&Clock::parse(format).unwrap(), then()), expected, "{format}");
    }
}

#[test]
fn midnight_and_noon_are_twelve() {
    let clock = Clock::parse("%I%p").unwrap();
    assert_eq!(written(&clock, UNIX_EPOCH), "12AM");
    assert_eq!(written(&clock, UNIX_EPOCH + Duration::from_secs(12 * 3600)), "12PM");
}

#[test]
fn other_letters_are_refused() {
    for format in ["%", "%Q", "%3", "%3Y", "%0f", "%n", "%t", "%c", "a\nb"] {
        assert_eq!(Clock::parse(format), Err(Unknown), "{format}");
    }
}

#[test]
fn a_time_out_of_range_does_no_harm() {
    let clock = Clock::standard();
    let far = UNIX_EPOCH.checked_add(Duration::from_secs(1 << 50)).unwrap();
    assert_eq!(written(&clock, far), "1970-01-01T00:00:00.000Z");
}

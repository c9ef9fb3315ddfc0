use proptest::prelude::*;

use super::*;

const RANDOM: RandomBits = RandomBits { trace: [0xaa; 16], span: [0xbb; 8], choice: 0 };
const NEW_TRACE: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const NEW_SPAN: &str = "bbbbbbbbbbbbbbbb";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

fn read(headers: &[(&str, &str)], propagation: Propagation) -> Incoming {
    Incoming::read(&headers, propagation)
}

/// What a request with these headers is sent on with, when nobody else decides to record it.
fn sent_on(headers: &[(&str, &str)], propagation: Propagation) -> Vec<(String, String)> {
    let span = Span::begin(read(headers, propagation), Share::NONE, RANDOM);
    let mut out = Vec::new();
    span.write(propagation, |name, value| out.push((name.to_owned(), value.to_owned())));
    out
}

fn pairs(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn traceparent(value: &str) -> Vec<(String, String)> {
    sent_on(&[("traceparent", value)], Propagation::W3c)
}

fn is_new(sent: &[(String, String)]) -> bool {
    sent == pairs(&[("traceparent", &format!("00-{NEW_TRACE}-{NEW_SPAN}-02"))])
}

#[test]
fn a_valid_traceparent_is_continued() {
    for (flags, sent) in [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("ff", "03"), ("f0", "00")] {
        let expected = pairs(&[("traceparent", &format!("00-{TRACE}-{NEW_SPAN}-{sent}"))]);
        assert_eq!(traceparent(&format!("00-{TRACE}-{SPAN}-{flags}")), expected, "{flags}");
    }
    let Incoming::Parent(parent) = read(&[("Traceparent", &format!("00-{TRACE}-{SPAN}-01"))], Propagation::W3c) else {
        panic!("not read");
    };
    assert_eq!((parent.trace.to_string(), parent.span.to_string()), (TRACE.to_owned(), SPAN.to_owned()));
    assert_eq!(parent.sampling, Some(Sampling::Sampled));
}

#[test]
fn an_invalid_traceparent_is_replaced() {
    for value in [
        String::new(),
        "00".into(),
        format!("00-{TRACE}-{SPAN}"),
        format!("00-{TRACE}-{SPAN}-"),
        format!("00-{TRACE}-{SPAN}-1"),
        format!("00-{TRACE}-{SPAN}-0g"),
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("00-{TRACE}-{SPAN}-01-what-the-future-will-be-like"),
        format!("00-{TRACE}-{SPAN}-01."),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("0-{TRACE}-{SPAN}-01"),
        format!("000-{TRACE}-{SPAN}-01"),
        format!("0G-{TRACE}-{SPAN}-01"),
        format!("CC-{TRACE}-{SPAN}-01"),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
        format!("00-{}-{SPAN}-01", "0".repeat(32)),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        format!("00-{}-{SPAN}-01", &TRACE[1..]),
        format!("00-{TRACE}.{SPAN}-01"),
        format!("00.{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}.01"),
        format!("00-{TRACE}-ä{}-01", &SPAN[2..]),
    ] {
        assert!(is_new(&traceparent(&value)), "{value}");
    }
}

#[test]
fn blanks_around_a_value_do_not_count() {
    let expected = pairs(&[("traceparent", &format!("00-{TRACE}-{NEW_SPAN}-01"))]);
    assert_eq!(traceparent(&format!(" 00-{TRACE}-{SPAN}-01\t")), expected);
}

#[test]
fn of_a_later_version_is_read_what_is_known() {
    let expected = pairs(&[("traceparent", &format!("00-{TRACE}-{NEW_SPAN}-01"))]);
    assert_eq!(traceparent(&format!("cc-{TRACE}-{SPAN}-01")), expected);
    assert_eq!(traceparent(&format!("cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like")), expected);
    assert!(is_new(&traceparent(&format!("cc-{TRACE}-{SPAN}-01.what-the-future-will-be-like"))));
    assert!(is_new(&traceparent(&format!("cc-{TRACE}-{SPAN}-0"))));
}

#[test]
fn two_traceparents_are_none() {
    let value = format!("00-{TRACE}-{SPAN}-01");
    assert!(is_new(&sent_on(&[("traceparent", &value), ("traceparent", &value)], Propagation::W3c)));
}

/// The tracestate that is sent on.
fn tracestate(values: &[&str]) -> Option<String> {
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let mut headers = vec![("traceparent", parent.as_str())];
    headers.extend(values.iter().map(|value| ("tracestate", *value)));
    let sent = sent_on(&headers, Propagation::W3c);
    sent.into_iter().find(|(name, _)| name == "tracestate").map(|(_, value)| value)
}

#[test]
fn a_valid_tracestate_is_passed_on() {
    for (values, expected) in [
        (vec!["foo=1"], "foo=1"),
        (vec!["foo=1,bar=2"], "foo=1,bar=2"),
        (vec!["foo=1", "bar=2"], "foo=1,bar=2"),
        (vec!["foo=1 \t , \t bar=2, "], "foo=1,bar=2"),
        (vec!["", "foo=1,,", ","], "foo=1"),
        (vec!["0a@b/c*d-e_f= ~!a"], "0a@b/c*d-e_f= ~!a"),
    ] {
        assert_eq!(tracestate(&values).as_deref(), Some(expected), "{values:?}");
    }
    let members = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
    assert_eq!(tracestate(&[&members(32)]), Some(members(32)));
    assert_eq!(tracestate(&[&members(33)]), None);
}

#[test]
fn an_invalid_tracestate_is_left_out() {
    for value in [
        "foo",
        "foo=",
        "=1",
        "foo =1",
        "FOO=1",
        "_foo=1",
        "foo=a=b",
        "foo=\u{7f}",
        "foo=ä",
        "foo=1,foo=2",
        "foo=1;bar=2",
        "foo.bar=1",
        "foo=1,bar",
        "",
    ] {
        assert_eq!(tracestate(&[value]), None, "{value}");
    }
    let longest = format!("{}={}", "k".repeat(256), "v".repeat(256));
    assert_eq!(tracestate(&[&longest]), Some(longest.clone()));
    assert_eq!(tracestate(&[&format!("k{longest}")]), None);
    assert_eq!(tracestate(&[&format!("{longest}v")]), None);
}

#[test]
fn of_a_long_tracestate_the_newest_members_are_passed_on() {
    let member = |n: usize| format!("k{n:02}={}", "v".repeat(96));
    let whole = (0..32).map(member).collect::<Vec<_>>().join(",");
    let kept = (0..10).map(member).collect::<Vec<_>>().join(",");
    assert_eq!(tracestate(&[&whole]), Some(kept));
}

#[test]
fn a_tracestate_without_a_valid_parent_is_left_out() {
    assert!(is_new(&sent_on(&[("tracestate", "foo=1")], Propagation::W3c)));
    assert!(is_new(&sent_on(&[("tracestate", "foo=1"), ("traceparent", "00-1-2-3")], Propagation::W3c)));
}

fn b3_headers<'a>(trace: &'a str, sampled: &'a str) -> Vec<(&'static str, &'a str)> {
    let mut headers = vec![("X-B3-TraceId", trace), ("X-B3-SpanId", SPAN)];
    headers.extend(Some(("X-B3-Sampled", sampled)).filter(|_| !sampled.is_empty()));
    headers
}

fn b3_sent(trace: &str, sampled: (&str, &str)) -> Vec<(String, String)> {
    pairs(&[("x-b3-traceid", trace), ("x-b3-spanid", NEW_SPAN), ("x-b3-parentspanid", SPAN), sampled])
}

fn b3_new(sampled: (&str, &str)) -> Vec<(String, String)> {
    pairs(&[("x-b3-traceid", NEW_TRACE), ("x-b3-spanid", NEW_SPAN), sampled])
}

const ON: (&str, &str) = ("x-b3-sampled", "1");
const OFF: (&str, &str) = ("x-b3-sampled", "0");
const DEBUG: (&str, &str) = ("x-b3-flags", "1");

#[test]
fn b3_of_several_headers_is_continued() {
    for (sampled, expected) in [("1", ON), ("true", ON), ("0", OFF), ("false", OFF), ("", OFF)] {
        assert_eq!(sent_on(&b3_headers(TRACE, sampled), Propagation::B3), b3_sent(TRACE, expected), "{sampled}");
    }
    let mut debug = b3_headers(TRACE, "0");
    debug.push(("X-B3-Flags", "1"));
    assert_eq!(sent_on(&debug, Propagation::B3), b3_sent(TRACE, DEBUG));
    // A short id stays short.
    assert_eq!(sent_on(&b3_headers(&TRACE[16..], "1"), Propagation::B3), b3_sent(&TRACE[16..], ON));
}

#[test]
fn b3_of_one_header_is_continued() {
    let sent = |value: String| sent_on(&[("b3", &value)], Propagation::B3);
    assert_eq!(sent(format!("{TRACE}-{SPAN}-1")), b3_sent(TRACE, ON));
    assert_eq!(sent(format!("{TRACE}-{SPAN}-0")), b3_sent(TRACE, OFF));
    assert_eq!(sent(format!("{TRACE}-{SPAN}-d")), b3_sent(TRACE, DEBUG));
    assert_eq!(sent(format!("{TRACE}-{SPAN}")), b3_sent(TRACE, OFF));
    assert_eq!(sent(format!("{}-{SPAN}-1-05e3ac9a4f6e3b90", &TRACE[16..])), b3_sent(&TRACE[16..], ON));
    let single = |value: String| sent_on(&[("b3", &value)], Propagation::B3Single);
    assert_eq!(single(format!("{TRACE}-{SPAN}-d")), pairs(&[("b3", &format!("{TRACE}-{NEW_SPAN}-d-{SPAN}"))]));
    assert_eq!(single("1".into()), pairs(&[("b3", &format!("{NEW_TRACE}-{NEW_SPAN}-1"))]));
}

#[test]
fn a_decision_without_a_trace_holds_for_a_new_one() {
    assert_eq!(sent_on(&[("b3", "0")], Propagation::B3), b3_new(OFF));
    assert_eq!(sent_on(&[("b3", "1")], Propagation::B3), b3_new(ON));
    assert_eq!(sent_on(&[("b3", "d")], Propagation::B3), b3_new(DEBUG));
    assert_eq!(sent_on(&[("x-b3-sampled", "1")], Propagation::B3), b3_new(ON));
    assert_eq!(sent_on(&[("x-b3-flags", "1")], Propagation::B3), b3_new(DEBUG));
    let span = Span::begin(Incoming::Decision(Sampling::Dropped), Share::ALL, RANDOM);
    assert_eq!((span.sampling, span.parent), (Sampling::Dropped, None));
}

#[test]
fn invalid_b3_is_replaced() {
    for value in [
        String::new(),
        "2".into(),
        TRACE.into(),
        format!("{TRACE}-{SPAN}-2"),
        format!("{TRACE}-{SPAN}-"),
        format!("{TRACE}-{SPAN}-1-"),
        format!("{TRACE}-{SPAN}-1-{SPAN}-"),
        format!("{TRACE}-{SPAN}-1-{}", "0".repeat(16)),
        format!("{}-{SPAN}-1", TRACE.to_uppercase()),
        format!("{}-{SPAN}-1", &TRACE[2..]),
        format!("{}-{SPAN}-1", "0".repeat(32)),
        format!("{}-{SPAN}-1", "0".repeat(16)),
        format!("{TRACE}-{}-1", "0".repeat(16)),
    ] {
        assert_eq!(sent_on(&[("b3", &value)], Propagation::B3), b3_new(OFF), "{value}");
    }
    assert_eq!(sent_on(&b3_headers("xyz", "1"), Propagation::B3), b3_new(OFF));
    assert_eq!(sent_on(&b3_headers(TRACE, "yes"), Propagation::B3), b3_new(OFF));
    assert_eq!(sent_on(&b3_headers(TRACE, "1")[1..], Propagation::B3), b3_new(OFF));
}

#[test]
fn beside_w3c_b3_is_read_first_and_both_are_written() {
    let parent = format!("00-{}-{SPAN}-01", "1".repeat(32));
    let both = Propagation::B3AndW3c;
    let mut headers = b3_headers(TRACE, "1");
    headers.push(("traceparent", &parent));
    let mut expected = b3_sent(TRACE, ON);
    expected.extend(pairs(&[("traceparent", &format!("00-{TRACE}-{NEW_SPAN}-01"))]));
    assert_eq!(sent_on(&headers, both), expected);
    let mut expected = b3_sent(&"1".repeat(32), ON);
    expected.extend(pairs(&[("traceparent", &format!("00-{}-{NEW_SPAN}-01", "1".repeat(32))), ("tracestate", "a=b")]));
    assert_eq!(sent_on(&[("traceparent", &parent), ("tracestate", "a=b")], both), expected);
    // Who reads one kind only does not read the other.
    assert!(is_new(&sent_on(&b3_headers(TRACE, "1"), Propagation::W3c)));
    assert_eq!(sent_on(&[("traceparent", &parent)], Propagation::B3), b3_new(OFF));
}

#[test]
fn every_header_that_is_written_is_one_that_is_removed_first() {
    for propagation in [Propagation::W3c, Propagation::B3, Propagation::B3Single, Propagation::B3AndW3c] {
        for headers in [b3_headers(TRACE, "1"), vec![("b3", "d")], Vec::new()] {
            for (name, _) in sent_on(&headers, propagation) {
                assert!(HEADERS.contains(&name.as_str()), "{name}");
            }
        }
    }
}

#[test]
fn shares_are_met() {
    let per_cent = |percent| Share::from_percent(percent);
    assert_eq!(Sampling::chosen(Share::NONE, 0), Sampling::Dropped);
    assert_eq!(Sampling::chosen(Share::ALL, u32::MAX), Sampling::Sampled);
    assert_eq!(Sampling::chosen(per_cent(50.0), u32::MAX / 2), Sampling::Sampled);
    assert_eq!(Sampling::chosen(per_cent(50.0), u32::MAX / 2 + 1), Sampling::Dropped);
    let sampled = (0..=255_u32).filter(|n| Sampling::chosen(per_cent(25.0), n << 24).is_recorded()).count();
    assert_eq!(sampled, 64);
}

#[test]
fn ids_are_never_zero() {
    assert_eq!((TraceId::new([0; 16]), SpanId::new([0; 8])), (None, None));
    let random = RandomBits { trace: [0; 16], span: [0; 8], choice: 0 };
    let span = Span::begin(Incoming::Nothing, Share::ALL, random);
    assert_eq!((span.trace.to_string(), span.id.to_string()), ("f".repeat(32), "f".repeat(16)));
    assert_eq!(span.sampling, Sampling::Sampled);
}

proptest! {
    #[test]
    fn no_header_makes_it_panic(
        parent in "[0-9a-f-]{50,60}|\\PC{0,60}",
        state in "[a-z0-9=, @]{0,40}",
        b3 in "[0-9a-fd-]{0,60}",
    ) {
        let headers = [("traceparent", parent.as_str()), ("tracestate", &state), ("b3", &b3), ("x-b3-traceid", &b3)];
        for propagation in [Propagation::W3c, Propagation::B3, Propagation::B3Single, Propagation::B3AndW3c] {
            // What is sent on is valid: the next proxy continues the same trace.
            let span = Span::begin(read(&headers, propagation), Share::ALL, RANDOM);
            let mut sent: Vec<(String, String)> = Vec::new();
            span.write(propagation, |name, value| sent.push((name.into(), value.into())));
            let sent: Vec<(&str, &str)> = sent.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let Incoming::Parent(next) = read(&sent, propagation) else { panic!("not valid: {sent:?}") };
            prop_assert_eq!((next.trace, next.span, next.sampling), (span.trace, span.id, Some(span.sampling)));
        }
    }
}

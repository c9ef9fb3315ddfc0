//! Durations as Go writes them: `1.5s`, `2h`, `1h30m`, `250ms`.

use std::time::Duration;

use super::{Decode, Shape};
use crate::{
    decode::{Decoder, Field, last, quoted},
    finding::code,
    tree::{Scalar, Type},
};

const UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl Decode for Duration {
    const SHAPE: Shape = Shape::Scalar;

    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        if let Some(Type::Integer(number)) = field.node.scalar().map(Scalar::kind) {
            decoder.wrong_type(field, "a duration", format!("add a unit: `{number}s`"));
            return None;
        }
        let text = decoder.text(field)?;
        let duration = parse(text);
        if duration.is_none() {
            let message = format!("{} is not a duration", quoted(text));
            decoder.report(code::BAD_DURATION, field, message, "write it like `1.5s`, `250ms` or `1h30m`");
        }
        duration
    }
}

impl Decoder<'_> {
    /// Reports a duration below `least`.
    pub(crate) fn at_least(&mut self, field: &Field<'_>, duration: Option<Duration>, least: Duration) {
        if duration.is_some_and(|duration| duration < least) {
            let message = format!("`{}` is too short, at least {least:?} is needed", last(&field.path));
            self.report(code::OUT_OF_RANGE, field, message, "");
        }
    }
}

fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut nanos: u128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let (number, after) = rest.split_at(end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') || number.len() > 24 {
            return None;
        }
        let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        nanos = nanos.checked_add(whole.checked_mul(u128::from(*factor))?)?;
        let mut scale = u128::from(*factor);
        for digit in fraction.bytes() {
            scale /= 10;
            nanos = nanos.checked_add(u128::from(digit - b'0') * scale)?;
        }
        rest = next;
    }
    let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    // The longest duration of protobuf, some 10,000 years.
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds <= 315_576_000_000)?;
    Some(Duration::new(seconds, u32::try_from(nanos).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("0", Some(Duration::ZERO)),
            ("0s", Some(Duration::ZERO)),
            ("1.5s", Some(Duration::from_millis(1500))),
            (".5s", Some(Duration::from_millis(500))),
            ("2h", Some(Duration::from_secs(7200))),
            ("1h30m", Some(Duration::from_secs(5400))),
            ("30ms", Some(Duration::from_millis(30))),
            ("10us", Some(Duration::from_micros(10))),
            ("10µs", Some(Duration::from_micros(10))),
            ("5000ms", Some(Duration::from_secs(5))),
            ("", None),
            ("5", None),
            ("s", None),
            ("-1s", None),
            ("1d", None),
            ("1.2.3s", None),
            ("1 s", None),
            ("99999999999999999999h", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}

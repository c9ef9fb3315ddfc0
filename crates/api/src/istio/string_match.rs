//! `StringMatch`: exact, prefix or regex.

use crate::{
    decode::{Decoder, Field, Spelling, quoted},
    finding::code,
    schema::{Decode, Message, Shape},
};

/// How a text is compared. Case counts; a regex (RE2) must match the whole text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum StringMatch {
    /// Nothing is asked for: it must be there.
    #[default]
    Present,
    /// Equal to it.
    Exact(String),
    /// Begins with it.
    Prefix(String),
    /// Matches it as a whole.
    Regex(String),
}

/// Longest regex, in characters.
pub(crate) const LONGEST_REGEX: usize = 1024;

impl Decode for StringMatch {
    const SHAPE: Shape = Shape::Message(&Message {
        fields: &[("exact", &Shape::Scalar), ("prefix", &Shape::Scalar), ("regex", &Shape::Scalar)],
    });

    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        if field.node.is_null() {
            decoder.wrong_type(field, "a mapping", "write `{}` for any value that is there");
            return None;
        }
        let mut record = decoder.record(field, Spelling::Proto)?;
        let exact = record.get(decoder, "exact").and_then(|exact| Some(Self::Exact(decoder.text(&exact)?.to_owned())));
        let prefix =
            record.get(decoder, "prefix").and_then(|prefix| Some(Self::Prefix(decoder.text(&prefix)?.to_owned())));
        let regex = record.get(decoder, "regex").and_then(|regex| {
            let text = decoder.nonempty(&regex)?;
            check_regex(decoder, &regex, text);
            Some(Self::Regex(text.to_owned()))
        });
        record.finish(decoder);
        decoder.at_most_one(field, &["exact", "prefix", "regex"]);
        Some(exact.or(prefix).or(regex).unwrap_or_default())
    }
}

/// Reports an empty prefix, which only a path may have.
pub(crate) fn refuse_empty_prefix(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(prefix) = field.child("prefix")
        && prefix.node.text() == Some("")
    {
        decoder.report(code::MISSING, &prefix, "`prefix` is empty", "write `{}` for any value that is there");
    }
}

/// Reports the regex `*`, which means presence and only headers and query parameters may have.
pub(crate) fn refuse_presence(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(regex) = field.child("regex")
        && regex.node.text() == Some("*")
    {
        decoder.report(code::BAD_REGEX, &regex, "`*` is not a regex", "write `.*` for any text");
    }
}

/// Reports a regex that is too long or that cannot be read. `*` alone means presence and is allowed.
pub(crate) fn check_regex(decoder: &mut Decoder<'_>, field: &Field<'_>, text: &str) {
    let length = text.chars().count();
    if length > LONGEST_REGEX {
        let message = format!("the regex has {length} characters, at most {LONGEST_REGEX} are allowed");
        decoder.report(code::OUT_OF_RANGE, field, message, "");
    } else if text != "*"
        && let Err(error) = regex::Regex::new(text)
    {
        let why = match error {
            regex::Error::Syntax(text) => {
                text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }
            error => error.to_string(),
        };
        let message = format!("{} is not a regex: {why}", quoted(text));
        let hint = if why.contains("repetition") {
            "write `\\{` for a `{` that repeats nothing"
        } else {
            "regexes are RE2: no look-around, no back references"
        };
        decoder.report(code::BAD_REGEX, field, message, hint);
    }
}

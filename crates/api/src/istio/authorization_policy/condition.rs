//! `when`: attributes and what they are compared with.

use super::{
    super::values,
    AuthorizationCondition,
    form::{Form, check_list},
};
use crate::{
    decode::{Decoder, Field, quoted},
    finding::{Code, code},
    names,
};

/// Attributes without a name in brackets.
const ATTRIBUTES: [(&str, Form); 12] = [
    ("source.ip", Form::Address),
    ("remote.ip", Form::Address),
    ("source.namespace", Form::Namespace),
    ("source.principal", Form::Principal),
    ("source.serviceAccount", Form::ServiceAccount),
    ("source.trustDomain", Form::Text),
    ("request.auth.principal", Form::Text),
    ("request.auth.audiences", Form::Text),
    ("request.auth.presenter", Form::Text),
    ("destination.ip", Form::Address),
    ("destination.port", Form::Port),
    ("connection.sni", Form::Text),
];

const HEADERS: &str = "request.headers";
const CLAIMS: &str = "request.auth.claims";
const FILTERS: &str = "experimental.envoy.filters.";

/// Attributes of older versions, and what does their work.
const REMOVED: [(&str, &str); 4] = [
    ("destination.labels", "choose workloads by `selector`"),
    ("destination.name", "attach the policy to the Service by `targetRefs`, or choose its workloads by `selector`"),
    ("destination.namespace", "put the policy into that namespace"),
    ("destination.user", "choose the workloads of that user by `selector`"),
];

/// Headers that hold parts of the request line.
const PSEUDO_HEADERS: [&str; 4] = [":authority", ":method", ":path", ":scheme"];

/// One of `when`.
pub(super) fn condition(_: &AuthorizationCondition, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let key = field.child("key");
    let mut form = None;
    if let Some(key) = &key
        && !values::check_text(decoder, key)
        && let Some(text) = key.node.text()
    {
        match attribute(text) {
            Ok(found) => form = Some(found),
            Err((code, message, hint)) => decoder.report(code, key, message, hint),
        }
    }
    let lists: Vec<_> = ["values", "notValues"].iter().filter_map(|name| field.child(name)).collect();
    if lists.iter().all(Field::is_empty_list) {
        let message = "a condition needs `values` or `notValues`";
        decoder.report(code::MISSING, field, message, "name at least one value");
        return;
    }
    for list in lists {
        check_list(decoder, &list, form);
    }
}

type Wrong = (Code, String, String);

/// What the values of an attribute are.
fn attribute(key: &str) -> Result<Form, Wrong> {
    if let Some((_, form)) = ATTRIBUTES.iter().find(|(name, _)| *name == key) {
        return Ok(*form);
    }
    let (name, brackets) = key.find('[').map_or((key, ""), |open| key.split_at(open));
    if let Some((_, hint)) = REMOVED.iter().find(|(removed, _)| *removed == name) {
        return Err((code::UNSUPPORTED_VALUE, format!("{} is no attribute any more", quoted(key)), (*hint).into()));
    }
    let bracketed = name == HEADERS || name == CLAIMS || name.len() > FILTERS.len() && name.starts_with(FILTERS);
    if !bracketed {
        return Err(unknown(key, name));
    }
    let inside = inside(brackets).filter(|names| name == CLAIMS || names.len() == 1);
    let Some(inside) = inside else {
        let (what, example) = match name {
            HEADERS => ("one header", "request.headers[user-agent]"),
            CLAIMS => ("a claim", "request.auth.claims[groups]"),
            _ => ("one key", "experimental.envoy.filters.example[key]"),
        };
        let message = format!("{} does not name {what} in brackets", quoted(key));
        return Err((code::BAD_VALUE, message, format!("write it like `{example}`")));
    };
    let header = if name == HEADERS { inside.first().copied() } else { None };
    if let Some(header) = header.filter(|header| !PSEUDO_HEADERS.contains(header))
        && let Err(why) = values::header_name(header)
    {
        return Err((code::BAD_NAME, format!("{} is not the name of a header: {why}", quoted(header)), String::new()));
    }
    Ok(Form::Text)
}

/// `a` and `b` of `[a][b]`.
fn inside(brackets: &str) -> Option<Vec<&str>> {
    let names: Vec<_> = brackets.strip_prefix('[')?.strip_suffix(']')?.split("][").collect();
    names.iter().all(|name| !name.is_empty() && !name.contains(['[', ']'])).then_some(names)
}

fn unknown(key: &str, name: &str) -> Wrong {
    if name == "request.experimental.inline.headers" {
        let message = format!("{} is an attribute of Istio's that is not supported", quoted(key));
        return (code::UNSUPPORTED_VALUE, message, format!("write `{HEADERS}[…]`"));
    }
    let all = || ATTRIBUTES.iter().map(|(name, _)| *name).chain([HEADERS, CLAIMS]);
    let hint = match names::nearest(name, all()) {
        Some(near @ (HEADERS | CLAIMS)) => format!("did you mean `{near}[…]`?"),
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            format!("there are `{}`, `{HEADERS}[…]` and `{CLAIMS}[…]`", ATTRIBUTES.map(|(name, _)| name).join("`, `"))
        }
    };
    (code::BAD_ENUM, format!("{} is no attribute", quoted(key)), hint)
}

//! Paths and path templates.

use super::super::values;
use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
};

/// One segment of a template.
const ONE: &str = "{*}";
/// Any number of segments of a template.
const ANY: &str = "{**}";

/// A path: exact, with a wildcard first or last, or a template.
pub(super) fn check(decoder: &mut Decoder<'_>, field: &Field<'_>, text: &str) {
    if let Err((why, hint)) = template(text) {
        decoder.report(code::BAD_VALUE, field, format!("{} is no path template: {why}", quoted(text)), hint);
        return;
    }
    if !is_template(text) {
        values::check_wildcard(decoder, field, text);
    }
    if !text.starts_with(['/', '*']) {
        let message = format!("paths begin with `/`, so {} matches none", quoted(text));
        decoder.report(code::SCHEMA_WARNING, field, message, format!("write {}", quoted(&format!("/{text}"))));
    } else if text.contains(['?', '#']) {
        let message = format!("paths are compared without query and fragment, so {} matches none", quoted(text));
        decoder.report(code::SCHEMA_WARNING, field, message, "leave out what follows the path");
    }
}

fn is_template(text: &str) -> bool {
    text.contains(ONE) || text.contains(ANY)
}

/// Whether braces are operators, `{**}` is the last of them and all else is literal; else why not.
fn template(text: &str) -> Result<(), (String, &'static str)> {
    let template = is_template(text);
    let mut ended = false;
    for segment in text.trim_matches('/').split('/') {
        match segment {
            ONE | ANY if ended => {
                return Err(("an operator follows `{**}`".into(), "let `{**}` be the last operator"));
            }
            ONE => {}
            ANY => ended = true,
            _ if segment.contains(['{', '}']) => {
                let hint = "a segment is `{*}`, `{**}` or text without braces";
                return Err((
                    format!("its segment {} has other braces than `{{*}}` and `{{**}}`", quoted(segment)),
                    hint,
                ));
            }
            _ if template => literal(segment)?,
            _ => {}
        }
    }
    Ok(())
}

/// A segment of a template that is compared as it stands (RFC 3986, `pchar`).
fn literal(segment: &str) -> Result<(), (String, &'static str)> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()+,;:@=".contains(c);
    match segment.chars().find(|c| !allowed(*c)) {
        _ if segment.is_empty() => Err(("it has an empty segment".into(), "write each `/` once")),
        Some('*') => Err((
            format!("its segment {} has a `*`", quoted(segment)),
            "write `{*}` for a segment, without `*` elsewhere",
        )),
        Some(c) => Err((format!("`{}` is not allowed in a segment", c.escape_debug()), "encode it with `%`")),
        None => Ok(()),
    }
}

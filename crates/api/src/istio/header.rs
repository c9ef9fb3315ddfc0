//! Names and values of HTTP headers as Istio's kinds write them.

/// Begins the key of a match on a claim of the caller's token.
const CLAIMS: &str = "@request.auth.claims";

/// Pseudo-headers (RFC 9113, 8.3).
const PSEUDO: [&str; 5] = [":method", ":scheme", ":authority", ":path", ":status"];

/// A token (RFC 9110, 5.6.2), or why it is none.
pub(crate) fn check_name(text: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    match text.chars().find(|c| !allowed(*c)) {
        _ if text.is_empty() => Err("it is empty".into()),
        Some(c) => Err(format!("`{}` is not allowed in it", c.escape_debug())),
        None => Ok(()),
    }
}

/// The key of a condition: a name, a pseudo-header or a claim; or why it is none.
pub(crate) fn check_condition(text: &str) -> Result<(), String> {
    if is_claim(text) || PSEUDO.contains(&text) {
        return Ok(());
    }
    if text.to_ascii_lowercase().starts_with(CLAIMS) {
        return Err(format!("write `{CLAIMS}.name` or `{CLAIMS}[name]`"));
    }
    check_name(text)
}

/// Whether a condition is about a claim: `@request.auth.claims.a.b` or `@request.auth.claims[a][b]`.
pub(crate) fn is_claim(text: &str) -> bool {
    let Some((start, rest)) = text.split_at_checked(CLAIMS.len()) else { return false };
    let dotted = rest.starts_with('.') && rest.len() > 1;
    let bracketed = rest.starts_with('[') && rest.ends_with(']') && rest.len() > 2;
    start.eq_ignore_ascii_case(CLAIMS) && (dotted || bracketed)
}

/// Whether it is the authority, in either of its names.
pub(crate) fn is_authority(text: &str) -> bool {
    text.eq_ignore_ascii_case("host") || text.eq_ignore_ascii_case(":authority")
}

/// A value with Envoy's `%VARIABLE%` and `%VARIABLE(arguments)%`, or why it is none. It says nothing of what the
/// value holds, which may be secret. The second text says what to do.
pub(crate) fn check_value(text: &str) -> Result<(), (&'static str, &'static str)> {
    if text.chars().any(|c| c.is_ascii_control() && c != '\t') {
        return Err(("it has control characters", "keep it on one line"));
    }
    format(text).map_err(|why| (why, "write `%%` for a `%` that begins no `%VARIABLE%`"))
}

const UNCLOSED: &str = "a `%` has no counterpart";

fn format(text: &str) -> Result<(), &'static str> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('%') {
        rest = match after.strip_prefix('%') {
            Some(escaped) => escaped,
            None => variable(after)?,
        };
    }
    Ok(())
}

/// What follows a variable, which begins after its `%`.
fn variable(text: &str) -> Result<&str, &'static str> {
    let end = text.find(['%', '(']).ok_or(UNCLOSED)?;
    let (_, rest) = text.split_at(end);
    let Some(arguments) = rest.strip_prefix('(') else { return Ok(&rest[1..]) };
    let arguments = arguments.trim_start_matches(' ');
    let after = match arguments.strip_prefix('[') {
        Some(list) => close(strings(list)?, ')')?,
        None => closed_by(arguments, ')')?,
    };
    close(after, '%')
}

/// What follows a list of strings, which begins after its `[`.
fn strings(mut text: &str) -> Result<&str, &'static str> {
    loop {
        text = closed_by(close(text, '"')?, '"')?.trim_start_matches(' ');
        if let Some(after) = text.strip_prefix(']') {
            return Ok(after);
        }
        text = close(text, ',')?;
    }
}

/// What follows `end`, with only blanks before it.
fn close(text: &str, end: char) -> Result<&str, &'static str> {
    text.trim_start_matches(' ').strip_prefix(end).ok_or("the arguments of a `%VARIABLE(…)%` cannot be read")
}

/// What follows the first `end` that no backslash precedes.
fn closed_by(text: &str, end: char) -> Result<&str, &'static str> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == end => return Ok(&text[at + c.len_utf8()..]),
            _ => {}
        }
    }
    Err("the arguments of a `%VARIABLE(…)%` do not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        for text in ["x-user", "X_User", ":method", "@request.auth.claims.sub", "@request.auth.claims[a.b][c]"] {
            assert!(check_condition(text).is_ok(), "{text}");
        }
        for text in
            ["", "x user", "x:y", ":host", "@request.auth.claims", "@request.auth.claims.", "@request.auth.claims[]"]
        {
            assert!(check_condition(text).is_err(), "{text}");
        }
        assert!(is_claim("@Request.Auth.Claims.sub") && !is_claim("@request.auth") && !is_claim("ä"));
    }

    #[test]
    fn values() {
        for text in [
            "",
            "plain",
            "tab\there",
            "100%%",
            "%HOSTNAME%",
            "a %START_TIME% b",
            "%REQ(x-user)%",
            "%REQ( x )%",
            r#"%UPSTREAM_METADATA(["a", "b"])%"#,
            r#"%X([ "a\"]" ] ) %"#,
            "%A%%B%",
            "é",
        ] {
            assert_eq!(check_value(text), Ok(()), "{text}");
        }
        for text in [
            "100%",
            "%HOSTNAME",
            "abc%123",
            "%START_TIME%%",
            "%REQ(x",
            "%REQ(x)",
            "%REQ(x):10%",
            "%X([a])%",
            r#"%X(["a")%"#,
            r#"%X(["a" "b"])%"#,
            "line\nbreak",
            "\u{7f}",
        ] {
            assert!(check_value(text).is_err(), "{text}");
        }
    }
}

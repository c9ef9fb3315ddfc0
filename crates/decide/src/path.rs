//! What a path is before it is compared and forwarded.

use std::{borrow::Cow, fmt};

use ripstop_model::{EscapedSlashes, PathRules};

/// Why a request with such a path is answered with 400: no two readers would agree on what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadPath {
    /// It has a fragment.
    Fragment,
    /// A `%` that begins no escape.
    Escape,
    /// An escaped NUL.
    Nul,
    /// An escaped slash, where none may be.
    Slash,
}

/// `path` (without query) as the mesh says it is compared and forwarded. Router and policy see the
/// same one.
///
/// `BASE` is RFC 3986, 6.2.2: needless escapes decoded, dot segments removed, and `\` read as `/`. Escaped
/// slashes are decoded before that, so that what they separate are segments; slashes are merged after it.
/// What is normalized stays as it is when it is normalized again.
///
/// # Errors
/// The path is none that a request may have.
pub fn normalized(path: &str, how: impl Into<PathRules>) -> Result<Cow<'_, str>, BadPath> {
    let PathRules { base, merge_slashes: merges, escaped_slashes } = how.into();
    if path.contains('#') {
        return Err(BadPath::Fragment);
    }
    if is_plain(path) {
        return Ok(Cow::Borrowed(path));
    }
    let slashes = match escaped_slashes {
        EscapedSlashes::Refused if has_escaped_slash(path) => return Err(BadPath::Slash),
        EscapedSlashes::Kept | EscapedSlashes::Refused => false,
        EscapedSlashes::Redirected | EscapedSlashes::Decoded => true,
    };
    let mut text = match (base, slashes) {
        (true, _) => without_dots(&decoded(path, slashes)?),
        (false, true) => with_slashes(path),
        (false, false) if merges => path.to_owned(),
        (false, false) => return Ok(Cow::Borrowed(path)),
    };
    if merges {
        merge_slashes(&mut text);
    }
    Ok(Cow::Owned(text))
}

/// Whether a path has `%2F` or `%5C`.
pub fn has_escaped_slash(path: &str) -> bool {
    path.split('%').skip(1).any(is_slash)
}

/// Whether what stands behind a `%` is a slash.
fn is_slash(rest: &str) -> bool {
    rest.get(..2).is_some_and(|digits| digits.eq_ignore_ascii_case("2f") || digits.eq_ignore_ascii_case("5c"))
}

/// With slashes for those that are escaped, and everything else as it came.
fn with_slashes(path: &str) -> String {
    let mut parts = path.split('%');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.get(2..).filter(|_| is_slash(part));
        text.push(if rest.is_some() { '/' } else { '%' });
        text.push_str(rest.unwrap_or(part));
    }
    text
}

/// Nothing of it could change: no escape, no backslash, no dot at the start of a segment, no `//`.
fn is_plain(path: &str) -> bool {
    !path.contains(['%', '\\']) && !path.starts_with('.') && !path.contains("/.") && !path.contains("//")
}

fn decoded(path: &str, slashes: bool) -> Result<String, BadPath> {
    let mut text = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find(['%', '\\']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix('\\') {
            text.push('/');
            rest = after;
            continue;
        }
        let byte = rest
            .get(1..3)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .filter(|_| rest.as_bytes()[1..3].iter().all(u8::is_ascii_hexdigit));
        match byte.ok_or(BadPath::Escape)? {
            0 => return Err(BadPath::Nul),
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => text.push(char::from(byte)),
            b'/' | b'\\' if slashes => text.push('/'),
            _ => text.push_str(&rest[..3]),
        }
        rest = &rest[3..];
    }
    text.push_str(rest);
    Ok(text)
}

impl fmt::Display for BadPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fragment => "a path has no fragment (`#`)",
            Self::Escape => "a `%` in it begins no escape of two hexadecimal digits",
            Self::Nul => "it has an escaped NUL (`%00`)",
            Self::Slash => "it has an escaped slash (`%2F` or `%5C`)",
        })
    }
}

/// RFC 3986, 5.2.4.
fn without_dots(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').peekable();
    if absolute {
        segments.next();
    }
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." => {
                if last {
                    kept.push("");
                }
            }
            ".." => {
                kept.pop();
                if last {
                    kept.push("");
                }
            }
            segment => kept.push(segment),
        }
    }
    let joined = kept.join("/");
    if absolute { format!("/{joined}") } else { joined }
}

fn merge_slashes(text: &mut String) {
    while text.contains("//") {
        *text = text.replace("//", "/");
    }
}

#[cfg(test)]
mod tests {
    use ripstop_model::PathNormalization;

    use super::*;
    use PathNormalization::{Base, DecodeAndMergeSlashes, MergeSlashes, None};

    #[test]
    fn each_step() {
        for (path, how, expected) in [
            ("/a/../b", None, "/a/../b"),
            ("/a/../b", Base, "/b"),
            ("/a/./b/.", Base, "/a/b/"),
            ("/../a", Base, "/a"),
            ("/a/..", Base, "/"),
            ("/a/%2e%2E/b", Base, "/b"),
            ("/%61dmin", Base, "/admin"),
            ("/a%2Fb", Base, "/a%2Fb"),
            ("/a%2Fb", MergeSlashes, "/a%2Fb"),
            ("/a%2fb", DecodeAndMergeSlashes, "/a/b"),
            ("/a%5Cb", DecodeAndMergeSlashes, "/a/b"),
            ("/a\\b", Base, "/a/b"),
            ("//a///b", Base, "//a///b"),
            ("//a///b", MergeSlashes, "/a/b"),
            ("/x%2F..%2Fadmin", DecodeAndMergeSlashes, "/admin"),
            ("/a%zz", None, "/a%zz"),
            ("/%2561dmin", Base, "/%2561dmin"),
            ("/%e4%b8", Base, "/%e4%b8"),
            ("*", Base, "*"),
            ("../a", Base, "a"),
        ] {
            assert_eq!(normalized(path, how).as_deref(), Ok(expected), "{path} {how:?}");
            assert_eq!(normalized(expected, how).as_deref(), Ok(expected), "{path} {how:?} again");
        }
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (path, how, why) in [
            ("/a%", Base, BadPath::Escape),
            ("/a%zz%4", Base, BadPath::Escape),
            ("/%%361dmin", Base, BadPath::Escape),
            ("/%2%65%2%65/x", Base, BadPath::Escape),
            ("/%+1", DecodeAndMergeSlashes, BadPath::Escape),
            ("/a%00", Base, BadPath::Nul),
            ("/admin#x", Base, BadPath::Fragment),
            ("/admin#x", None, BadPath::Fragment),
        ] {
            assert_eq!(normalized(path, how), Err(why), "{path} {how:?}");
        }
    }

    #[test]
    fn what_a_proxy_says_of_slashes_by_itself() {
        let rules = |base, merge_slashes, escaped_slashes| PathRules { base, merge_slashes, escaped_slashes };
        for (path, how, expected) in [
            ("//a/./b", rules(false, true, EscapedSlashes::Kept), Ok("/a/./b")),
            ("//a/./b", rules(true, false, EscapedSlashes::Kept), Ok("//a/b")),
            ("/a%2fb%5Cc%25", rules(false, false, EscapedSlashes::Decoded), Ok("/a/b/c%25")),
            ("/a%2F%2Fb", rules(true, true, EscapedSlashes::Redirected), Ok("/a/b")),
            ("/a%2Fb", rules(false, false, EscapedSlashes::Refused), Err(BadPath::Slash)),
            ("/a%5cb", rules(true, true, EscapedSlashes::Refused), Err(BadPath::Slash)),
            ("/a%2Eb%", rules(false, false, EscapedSlashes::Refused), Ok("/a%2Eb%")),
        ] {
            assert_eq!(normalized(path, how).as_deref(), expected.as_ref().copied(), "{path} {how:?}");
        }
        for (path, expected) in [("/a%2Fb", true), ("/%5c", true), ("/a%2", false), ("/%2é", false), ("/a/b", false)] {
            assert_eq!(has_escaped_slash(path), expected, "{path}");
        }
    }
}

//! What a path is before it is compared and forwarded.

use std::borrow::Cow;

use ripstop_model::PathNormalization;

/// `path` (without query) as the mesh says it is compared and forwarded. Router and policy see the
/// same one.
///
/// `BASE` is RFC 3986, 6.2.2: needless escapes decoded, dot segments removed, and `\` read as `/`. Escaped
/// slashes are decoded before that, so that what they separate are segments; slashes are merged after it.
pub fn normalized(path: &str, how: PathNormalization) -> Cow<'_, str> {
    if how == PathNormalization::None || is_plain(path) {
        return Cow::Borrowed(path);
    }
    let mut text = decoded(path, how == PathNormalization::DecodeAndMergeSlashes);
    text = without_dots(&text);
    if how != PathNormalization::Base {
        merge_slashes(&mut text);
    }
    Cow::Owned(text)
}

/// Nothing of it could change: no escape, no backslash, no dot at the start of a segment, no `//`.
fn is_plain(path: &str) -> bool {
    !path.contains(['%', '\\']) && !path.starts_with('.') && !path.contains("/.") && !path.contains("//")
}

fn decoded(path: &str, slashes: bool) -> String {
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
        match byte {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                quote_open_escape(&mut text, byte);
                text.push(char::from(byte));
            }
            Some(b'/' | b'\\') if slashes => text.push('/'),
            _ => {
                text.push('%');
                rest = &rest[1..];
                continue;
            }
        }
        rest = &rest[3..];
    }
    text.push_str(rest);
    text
}

/// A `%` that was no escape must not become one by what is decoded after it, or whoever decodes next
/// sees another path than was compared: `%2%65` is `%252e`, not `%2e`.
fn quote_open_escape(text: &mut String, next: u8) {
    let bytes = text.as_bytes();
    let open = match bytes {
        [.., b'%'] => Some(bytes.len() - 1),
        [.., b'%', digit] if digit.is_ascii_hexdigit() => Some(bytes.len() - 2),
        _ => None,
    };
    if let Some(at) = open.filter(|_| next.is_ascii_hexdigit()) {
        text.insert_str(at + 1, "25");
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
            ("/a%", Base, "/a%"),
            ("/a%zz%4", Base, "/a%zz%4"),
            ("/%e4%b8", Base, "/%e4%b8"),
            ("*", Base, "*"),
            ("/%2%65%2%65/x", Base, "/%252e%252e/x"),
            ("/%%32e", Base, "/%252e"),
            ("../a", Base, "a"),
        ] {
            assert_eq!(normalized(path, how), expected, "{path} {how:?}");
        }
    }
}

//! Host names as Istio's kinds write them: DNS names, some with a leading `*.`, and IP addresses.

use std::net::IpAddr;

use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
    names::LABEL,
};

/// Which wildcards a host may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wildcard {
    /// None.
    Refused,
    /// `*.` before a name.
    Prefix,
    /// That, or `*` alone.
    Any,
}

/// Longest host, in characters.
const LONGEST: usize = 255;

/// Reports a host that is neither a DNS name (case does not count, a dot at the end is allowed), an allowed
/// wildcard nor an IP address; says whether it is fine.
pub(crate) fn check_host(decoder: &mut Decoder<'_>, field: &Field<'_>, text: &str, wildcard: Wildcard) -> bool {
    let Err((why, hint)) = check(text, wildcard) else { return true };
    decoder.report(code::BAD_HOST, field, format!("{} is not a host: {why}", quoted(text)), hint);
    false
}

/// A host in lower case, then every wildcard that it lies within, the narrowest first.
pub(crate) fn wider(host: &str) -> impl Iterator<Item = String> {
    let host = host.to_ascii_lowercase();
    let name = host.strip_prefix("*.").unwrap_or(&host).to_owned();
    let dots: Vec<usize> = name.match_indices('.').map(|(at, _)| at).collect();
    let above = dots.into_iter().map(move |at| format!("*{}", &name[at..]));
    let all = (host != "*").then(|| "*".to_owned());
    std::iter::once(host).chain(above).chain(all)
}

/// Whether it is an IP address.
pub(crate) fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// Why a text is not a host, and what to do.
fn check(text: &str, wildcard: Wildcard) -> Result<(), (String, &'static str)> {
    if is_address(text) {
        return Ok(());
    }
    let plain = |why: String| (why, "");
    let length = text.chars().count();
    if length == 0 {
        return Err(plain("it is empty".into()));
    }
    if length > LONGEST {
        return Err(plain(format!("it has {length} characters, at most {LONGEST} are allowed")));
    }
    let name = match (text, text.strip_prefix("*."), wildcard) {
        ("*", _, Wildcard::Any) => return Ok(()),
        ("*", _, Wildcard::Prefix) => {
            return Err(("`*` alone is not allowed here".into(), "name a domain: `*.example.com`"));
        }
        (_, Some(name), Wildcard::Prefix | Wildcard::Any) => name,
        (_, Some(_), Wildcard::Refused) | ("*", ..) => {
            return Err(("a wildcard is not allowed here".into(), "write the whole name"));
        }
        (name, ..) => name,
    };
    if name.contains('*') {
        let hint = if wildcard == Wildcard::Refused { "write the whole name" } else { "write it like `*.example.com`" };
        return Err(("`*` stands only for whole labels at the beginning".into(), hint));
    }
    if name.contains("://") {
        return Err(("it is a URL".into(), "write the host alone, without scheme and path"));
    }
    if let Some((_, port)) = name.rsplit_once(':')
        && port.parse::<u16>().is_ok()
    {
        return Err(("it has a port".into(), "write the host alone; ports have a field of their own"));
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    name.split('.').try_for_each(label).map_err(plain)?;
    match name.rsplit_once('.') {
        Some((_, last)) if last.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(plain(format!("its last label `{last}` is a number, and it is no IP address")))
        }
        _ => Ok(()),
    }
}

/// A DNS label (RFC 1123) in any case.
fn label(text: &str) -> Result<(), String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if text.is_empty() {
        return Err("a label between dots is empty".into());
    }
    if let Some(c) = text.chars().find(|c| !inner(*c)) {
        return Err(format!("`{}` is not allowed, only letters, digits, `-` and dots", c.escape_debug()));
    }
    if text.len() > LABEL {
        return Err(format!("a label has {} characters, at most {LABEL} are allowed", text.len()));
    }
    if text.starts_with('-') || text.ends_with('-') {
        return Err(format!("the label `{text}` must begin and end with a letter or digit"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let fine = |text: &str, wildcard| check(text, wildcard).is_ok();
        for text in ["a", "A.Example.com", "a.b.", "10.1.2.3", "::1", "1a", "123", "xn--bcher-kva.example"] {
            assert!(fine(text, Wildcard::Refused), "{text}");
        }
        for text in ["*", "*.a.com", "*-a.com", "a.*.com"] {
            assert!(!fine(text, Wildcard::Refused), "{text}");
        }
        assert!(fine("*.a.com", Wildcard::Prefix) && !fine("*", Wildcard::Prefix));
        assert!(fine("*.a.com", Wildcard::Any) && fine("*", Wildcard::Any));
        let long = format!("{}.com", "a".repeat(64));
        let longer = format!("{}com", "a.".repeat(127));
        for text in [
            "",
            ".",
            "..",
            ".a",
            "a..b",
            "-a",
            "a-",
            "a_b",
            "a b",
            "a.*",
            "**",
            "*a.com",
            "*.*.com",
            "*.",
            "ä.com",
            "http://a.com",
            "a.com:80",
            "a.com/b",
            "10.0.0.300",
            "a.1",
            &long,
            &longer,
        ] {
            assert!(!fine(text, Wildcard::Any), "{text:?}");
        }
    }

    #[test]
    fn what_a_host_lies_within() {
        let wider = |host| wider(host).collect::<Vec<_>>();
        assert_eq!(wider("A.b.Com"), ["a.b.com", "*.b.com", "*.com", "*"]);
        assert_eq!(wider("*.b.com"), ["*.b.com", "*.com", "*"]);
        assert_eq!(wider("a"), ["a", "*"]);
        assert_eq!(wider("*"), ["*"]);
    }
}

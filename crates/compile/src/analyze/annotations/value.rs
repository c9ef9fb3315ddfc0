//! What values of annotations may be.

use ipnet::IpNet;

/// `true` or `false`; other spellings of them do not count.
pub(super) fn trial(text: &str) -> Result<(), String> {
    one_of(text, &["true", "false"])
}

pub(super) fn boolean(text: &str) -> Result<(), String> {
    const SPELLINGS: [&str; 12] = ["1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"];
    if SPELLINGS.contains(&text) { Ok(()) } else { Err("it must be true or false".into()) }
}

pub(super) fn interception(text: &str) -> Result<(), String> {
    one_of(text, &["REDIRECT", "TPROXY", "NONE"])
}

fn one_of(text: &str, values: &[&str]) -> Result<(), String> {
    if values.contains(&text) { Ok(()) } else { Err(format!("it must be {}", values.join(" or "))) }
}

pub(super) fn port(text: &str) -> Result<(), String> {
    text.parse::<u16>().map(drop).map_err(|_| format!("{text:?} is no port"))
}

pub(super) fn count(text: &str) -> Result<(), String> {
    text.parse::<u32>().map(drop).map_err(|_| "it must be a number that is not negative".into())
}

/// A quantity of Kubernetes' (`500m`, `64Mi`, `1e3`).
pub(super) fn quantity(text: &str) -> Result<(), String> {
    const SUFFIXES: [&str; 16] = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (number, suffix) =
        unsigned.split_at(unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len()));
    let is_number = number.contains(|c: char| c.is_ascii_digit()) && number.matches('.').count() < 2;
    let is_exponent = suffix.strip_prefix(['e', 'E']).is_some_and(|exponent| exponent.parse::<i32>().is_ok());
    if is_number && (is_exponent || SUFFIXES.contains(&suffix)) {
        Ok(())
    } else {
        Err("it must be a quantity such as 500m or 64Mi".into())
    }
}

pub(super) fn all_or_ports(text: &str) -> Result<(), String> {
    if text == "*" { Ok(()) } else { ports(text) }
}

/// A list of ports, which may be empty.
pub(super) fn ports(text: &str) -> Result<(), String> {
    items(text).try_for_each(port)
}

pub(super) fn all_or_blocks(text: &str) -> Result<(), String> {
    if text == "*" { Ok(()) } else { blocks(text) }
}

/// A list of blocks of addresses, which may be empty.
pub(super) fn blocks(text: &str) -> Result<(), String> {
    let block = |text: &str| text.parse::<IpNet>().map(drop).map_err(|_| format!("{text:?} is no block of addresses"));
    items(text).try_for_each(block)
}

/// A list of names of network interfaces.
pub(super) fn interfaces(text: &str) -> Result<(), String> {
    let legal = |c: char| !c.is_whitespace() && c != '/' && c != ':';
    let interface = |name: &str| {
        let legal = (1..16).contains(&name.len()) && name.chars().all(legal);
        if legal { Ok(()) } else { Err(format!("{name:?} is no name of a network interface")) }
    };
    items(text).try_for_each(interface)
}

/// Items between commas; of an empty text none.
fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(move |_| !text.trim().is_empty())
}

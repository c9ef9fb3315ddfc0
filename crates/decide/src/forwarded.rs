//! Whom proxies before a gateway name as a request's client, by `x-forwarded-for`, and how that sent it, by
//! `x-forwarded-proto`.

use std::net::IpAddr;

/// The client that the outermost of so many `proxies` has seen, which are trusted; `values` are those of
/// `x-forwarded-for`, in order. Each proxy has added whom it had the request from, so that it is the last address but
/// `proxies - 1`, as Envoy reads it (`xff_num_trusted_hops`): what stands before it, anybody may have written. Nothing:
/// there are not so many addresses, or that is none.
pub fn forwarded_client(values: &[&[u8]], proxies: u32) -> Option<IpAddr> {
    let skipped = usize::try_from(proxies.checked_sub(1)?).ok()?;
    let addresses = values.iter().rev().flat_map(|value| value.rsplit(|byte| *byte == b','));
    let address = addresses.map(<[u8]>::trim_ascii).nth(skipped)?;
    let address: IpAddr = std::str::from_utf8(address).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

/// The scheme by which the client of trusted proxies sent a request whose only `x-forwarded-proto` has that `value`. Nothing:
/// that is no scheme of HTTP.
pub fn forwarded_scheme(value: &[u8]) -> Option<&'static str> {
    ["http", "https"].into_iter().find(|scheme| scheme.as_bytes() == value)
}

#[cfg(test)]
mod tests;

//! Copies of requests (Istio's `mirror` and `mirrors`).

use std::borrow::Cow;

use ripstop_model::Mirror;

use super::dice::falls;

/// How a copy names its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShadowHost {
    /// With `-shadow` behind the host: Envoy's default, and what Istio's documentation says.
    #[default]
    Suffixed,
    /// As the request does: what Istio 1.28 and later have Envoy do, unless `DISABLE_SHADOW_HOST_SUFFIX` is `false`.
    Kept,
}

/// The mirrors that get a copy; `random` is asked once for each, since each is drawn for itself.
pub fn drawn(mirrors: &[Mirror], mut random: impl FnMut() -> u32) -> impl Iterator<Item = &Mirror> {
    mirrors.iter().filter(move |mirror| falls(mirror.share, random()))
}

/// The authority of a copy.
pub fn authority(authority: &str, host: ShadowHost) -> Cow<'_, str> {
    if host == ShadowHost::Kept || authority.is_empty() {
        return Cow::Borrowed(authority);
    }
    let port = match authority.rsplit_once(':') {
        // A colon inside of brackets, or one of several without them, is a part of an address.
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && is_whole(host) => port.len() + 1,
        _ => 0,
    };
    let (host, port) = authority.split_at(authority.len() - port);
    Cow::Owned(format!("{host}-shadow{port}"))
}

fn is_whole(host: &str) -> bool {
    if host.starts_with('[') { host.ends_with(']') } else { !host.contains(':') }
}

#[cfg(test)]
mod tests;

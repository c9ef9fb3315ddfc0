//! A hash ring (ketama), as Envoy builds it.

use crate::{group::Share, xxhash};

/// No ring is larger (Envoy's `maximum_ring_size`, which Istio leaves alone).
const LARGEST: u64 = 8 * 1024 * 1024;
/// Nor does one grow beyond this for the sake of light members: unlike in Envoy, large rings are made only for those
/// who ask for them.
const GROWTH: u64 = 1024 * 1024;

/// Points in order, each with the member that it belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ring(Vec<(u64, u32)>);

impl Ring {
    /// A ring of at least so many points, shared out by weight.
    pub(crate) fn new(shares: &[Share<'_>], minimum: u64) -> Self {
        let minimum = minimum.clamp(1, LARGEST);
        Self::bounded(shares, minimum, minimum.max(GROWTH))
    }

    /// With points for the part of it that the lightest member needs to have a whole number of them, as long as that
    /// is within `maximum`. Fractions are carried over to the next member.
    #[expect(clippy::cast_precision_loss, reason = "both bounds are below 2^24")]
    fn bounded(shares: &[Share<'_>], minimum: u64, maximum: u64) -> Self {
        let lightest = shares.iter().map(|share| share.part).fold(1.0, f64::min);
        let scale = ((lightest * minimum as f64).ceil() / lightest).min(maximum as f64);
        let mut points = Vec::new();
        let mut text = String::new();
        let (mut made, mut due) = (0.0, 0.0);
        for share in shares {
            due += scale * share.part;
            let mut number = 0_u64;
            while made < due {
                text.clear();
                text.push_str(share.hash_key);
                text.push('_');
                text.push_str(&number.to_string());
                points.push((xxhash::seeded(text.as_bytes(), 0), share.member));
                number += 1;
                made += 1.0;
            }
        }
        points.sort_unstable();
        points.shrink_to_fit();
        Self(points)
    }

    /// The member at the first point from `hash` on that is allowed; someone must be.
    pub(crate) fn find(&self, hash: u64, allowed: impl Fn(u32) -> bool) -> Option<u32> {
        let start = self.0.partition_point(|(point, _)| *point < hash);
        let (before, from) = self.0.split_at(start);
        from.iter().chain(before).map(|(_, member)| *member).find(|member| allowed(*member))
    }
}

#[cfg(test)]
mod tests;

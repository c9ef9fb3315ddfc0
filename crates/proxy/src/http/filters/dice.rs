//! Shares of chance.

use ripstop_model::Share;

/// Whether `random`, an even random number, falls into `share`.
pub(super) fn falls(share: Share, random: u32) -> bool {
    // The upper part of the product is evenly spread over the millionths.
    (u64::from(random) * 1_000_000) >> 32 < u64::from(share.millionths())
}

#[cfg(test)]
mod tests;

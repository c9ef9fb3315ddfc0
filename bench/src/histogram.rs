//! Counts of durations.

/// Binary logarithm of the number of buckets within a factor of two: an error below 0.8 %.
const PRECISION: u32 = 7;
const BUCKETS: usize = (u64::BITS - PRECISION + 1) as usize * (1 << PRECISION);

/// A histogram of durations in nanoseconds, with buckets that grow with the value.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

// === impl Histogram ===

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
    }

    /// Adds all that `other` counted.
    pub fn merge(&mut self, other: &Self) {
        for (own, other) in self.counts.iter_mut().zip(&other.counts) {
            *own += other;
        }
        self.total += other.total;
    }

    /// How many were counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The duration that `thousandths` of all are not above; 0 where nothing was counted.
    pub fn quantile(&self, thousandths: u64) -> u64 {
        let rank = (self.total * thousandths).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return middle(index);
            }
        }
        0
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

/// The first 2^PRECISION values have a bucket each; above, 2^PRECISION buckets a power of two.
#[expect(clippy::cast_possible_truncation, reason = "the shifted value is below 2^(PRECISION + 1)")]
fn bucket(value: u64) -> usize {
    let width = u64::BITS - value.leading_zeros();
    let shift = width.saturating_sub(PRECISION + 1);
    ((shift as usize) << PRECISION) + (value >> shift) as usize
}

fn middle(index: usize) -> u64 {
    let group = (index >> PRECISION).saturating_sub(1);
    let low = (index - (group << PRECISION)) as u64;
    (low << group) + ((1_u64 << group) >> 1)
}

#[cfg(test)]
mod tests;

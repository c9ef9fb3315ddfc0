//! Whose turn it is.

/// Deals turns by weight, evenly spread: of any run of turns each gets its share, give or take one.
#[derive(Clone, Debug)]
pub(crate) struct Shares {
    weights: Vec<i64>,
    credits: Vec<i64>,
    total: i64,
}

// === impl Shares ===

impl Shares {
    /// Among as many as there are weights, from the `start`th turn on.
    pub(crate) fn new(weights: impl IntoIterator<Item = u32>, start: usize) -> Self {
        let weights: Vec<i64> = weights.into_iter().map(i64::from).collect();
        let total = weights.iter().sum();
        let mut shares = Self { credits: vec![0; weights.len()], weights, total };
        for _ in 0..start % usize::try_from(total).unwrap_or(1).max(1) {
            shares.next();
        }
        shares
    }

    /// Who is next: everybody earns its weight, whoever has most pays for all.
    pub(crate) fn next(&mut self) -> usize {
        let mut chosen = 0;
        for (index, weight) in self.weights.iter().enumerate() {
            self.credits[index] += weight;
            if self.credits[index] > self.credits[chosen] {
                chosen = index;
            }
        }
        self.credits[chosen] -= self.total;
        chosen
    }
}

#[cfg(test)]
mod tests;

//! Requests as they are drawn.

/// A request, and all that is left to chance about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    /// When it comes, in milliseconds.
    pub(super) at: u64,
    /// Which worker gets it, of however many there are.
    pub(super) worker: u64,
    /// How long each answer takes, in milliseconds.
    pub(super) takes: u64,
    /// The user's hash, where that counts.
    pub(super) hash: Option<u64>,
    /// What its picks, answers and pauses are drawn by.
    pub(super) random: u64,
}

/// Random numbers (SplitMix64).
#[derive(Clone, Copy, Debug)]
pub(super) struct Dice(u64);

/// How requests are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    /// What all of it follows from.
    pub(super) seed: u64,
    /// How many.
    pub(super) count: usize,
    /// The mean time between two of them, in milliseconds.
    pub(super) pause: f64,
    /// How long answers take: evenly drawn between these, in milliseconds.
    pub(super) takes: (u64, u64),
}

// === impl Dice ===

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        u64::try_from((u128::from(self.next()) * u128::from(bound)) >> 64).unwrap()
    }

    /// Evenly drawn from 0 to 1, never 0.
    fn fraction(&mut self) -> f64 {
        (f64::from(u32::try_from(self.next() >> 32).unwrap()) + 1.0) / (f64::from(u32::MAX) + 1.0)
    }
}

// === impl Load ===

impl Load {
    /// Requests that come independently of each other.
    pub(super) fn draw(self) -> Vec<Request> {
        let mut dice = Dice::new(self.seed);
        let mut at = 0.0;
        let request = |_| {
            at -= self.pause * dice.fraction().ln();
            // Never negative, and far below the end of the range.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let at = at as u64;
            let (shortest, longest) = self.takes;
            Request {
                at,
                worker: dice.next(),
                takes: shortest + dice.below(longest - shortest + 1),
                hash: None,
                random: dice.next(),
            }
        };
        (0..self.count).map(request).collect()
    }
}

/// Asserts that something of this probability happened about as often as it should: within five standard deviations.
pub(super) fn assert_about(happened: usize, trials: usize, probability: f64) {
    let [happened, trials] = [happened, trials].map(|count| f64::from(u32::try_from(count).unwrap()));
    let expected = trials * probability;
    let sigma = (expected * (1.0 - probability)).sqrt();
    let off = (happened - expected).abs();
    assert!(off <= 5.0 * sigma, "{happened} of {trials}, where {expected:.1} ± {sigma:.1} are expected");
}

//! Numbers in decimal, without memory of their own.

/// The digits of a number.
pub(crate) struct Decimal {
    digits: [u8; Self::LONGEST],
    start: usize,
}

impl Decimal {
    /// As many as the largest number has.
    const LONGEST: usize = 20;

    pub(crate) fn new(mut number: u64) -> Self {
        let mut decimal = Self { digits: [b'0'; Self::LONGEST], start: Self::LONGEST };
        loop {
            decimal.start -= 1;
            #[allow(clippy::cast_possible_truncation)] // below 10
            let digit = (number % 10) as u8;
            decimal.digits[decimal.start] += digit;
            number /= 10;
            if number == 0 {
                return decimal;
            }
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

#[cfg(test)]
mod tests;

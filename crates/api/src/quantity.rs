//! Kubernetes quantities (`128Mi`, `500m`, `0.5`, `1e3`).

/// An exact amount: `numerator / denominator`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quantity {
    numerator: u128,
    denominator: u128,
}

/// Suffixes as powers of ten.
const DECIMAL: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];

/// Suffixes as powers of 1024.
const BINARY: [(&str, u32); 6] = [("Ki", 1), ("Mi", 2), ("Gi", 3), ("Ti", 4), ("Pi", 5), ("Ei", 6)];

// === impl Quantity ===

impl Quantity {
    /// Reads a quantity that is not negative.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('+').unwrap_or(text);
        let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if number.len() > 20 || fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let numerator: u128 = format!("{whole}{fraction}").parse().ok()?;
        let denominator = 10u128.pow(u32::try_from(fraction.len()).ok()?);
        if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == suffix) {
            return Some(Self { numerator: numerator.checked_mul(1024u128.pow(*power))?, denominator });
        }
        let power = match DECIMAL.iter().find(|(name, _)| *name == suffix) {
            Some((_, power)) => *power,
            None => suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok().filter(|power| power.abs() <= 18)?,
        };
        let factor = 10u128.pow(power.unsigned_abs());
        if power < 0 {
            Some(Self { numerator, denominator: denominator.checked_mul(factor)? })
        } else {
            Some(Self { numerator: numerator.checked_mul(factor)?, denominator })
        }
    }

    /// In units of one, if it is a whole number of them.
    pub(crate) fn whole(self) -> Option<u64> {
        self.numerator.is_multiple_of(self.denominator).then(|| self.numerator / self.denominator)?.try_into().ok()
    }

    /// In thousandths, rounded up as Kubernetes does.
    pub(crate) fn millis(self) -> Option<u32> {
        self.numerator.checked_mul(1000)?.div_ceil(self.denominator).try_into().ok()
    }
}

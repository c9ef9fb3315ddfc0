//! Which of a rule's backends gets a request.

use ripstop_decide::{MissingPart, Target};

/// What a draw gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Drawn<'a> {
    /// That backend.
    Target(&'a Target),
    /// That one, which is not there: [`Local::no_cluster`](super::respond::Local::no_cluster).
    Missing(&'a Target, MissingPart),
    /// None has any weight: [`Local::no_backend`](super::respond::Local::no_backend).
    Nothing,
}

// === impl Drawn ===

impl<'a> Drawn<'a> {
    /// The backend, whether it is there or not.
    pub fn target(self) -> Option<&'a Target> {
        match self {
            Self::Target(target) | Self::Missing(target, _) => Some(target),
            Self::Nothing => None,
        }
    }
}

/// Draws by weight, with an even random number. An only backend takes everything, whatever its weight. One that is not
/// there keeps its share: what was meant for it must not overload the others.
pub fn draw(targets: &[Target], random: u64) -> Drawn<'_> {
    if let [only] = targets {
        return found(only);
    }
    let sum: u64 = targets.iter().map(|target| u64::from(target.weight)).sum();
    // The upper part of the product is evenly spread below the sum.
    let mut at = u64::try_from((u128::from(random) * u128::from(sum)) >> 64).unwrap_or(0);
    for target in targets {
        match at.checked_sub(u64::from(target.weight)) {
            Some(rest) => at = rest,
            None => return found(target),
        }
    }
    Drawn::Nothing
}

fn found(target: &Target) -> Drawn<'_> {
    target.missing.map_or(Drawn::Target(target), |part| Drawn::Missing(target, part))
}

#[cfg(test)]
mod tests;

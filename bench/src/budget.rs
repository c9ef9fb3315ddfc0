//! What the pair of node proxies may cost. Figures without a reference are those of a virtual
//! machine with 2 x86-64 CPUs and a release build; elsewhere the ratios count.

/// A limit for the mesh's figure of one row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Less than that.
    Below(f64),
    /// More than that.
    Above(f64),
    /// Not more than that.
    AtMost(f64),
    /// Not less than that.
    AtLeast(f64),
    /// Not more than the relays' figure and that.
    OverRelay(f64),
    /// Not less than that share of the relays' figure.
    OfRelay(f64),
}

/// Limits of one row: what has to be reached, and what is aimed at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Budget {
    /// To be reached.
    pub must: Option<Bound>,
    /// Aimed at.
    pub goal: Option<Bound>,
}

// === impl Bound ===

impl Bound {
    /// As it is written: `< 65`, `relay + 8`.
    pub fn text(self) -> String {
        let figure = crate::report::figure;
        match self {
            Self::Below(limit) => format!("< {}", figure(limit)),
            Self::Above(limit) => format!("> {}", figure(limit)),
            Self::AtMost(limit) | Self::AtLeast(limit) => figure(limit),
            Self::OverRelay(more) => format!("relay + {}", figure(more)),
            Self::OfRelay(share) => format!("{share} × relay"),
        }
    }

    /// Whether `mesh` is within it; nothing where the relays were not measured, and it refers to them.
    pub fn holds(self, relay: Option<f64>, mesh: f64) -> Option<bool> {
        Some(match self {
            Self::Below(limit) => mesh < limit,
            Self::Above(limit) => mesh > limit,
            Self::AtMost(limit) => mesh <= limit,
            Self::AtLeast(limit) => mesh >= limit,
            Self::OverRelay(more) => mesh <= relay? + more,
            Self::OfRelay(share) => mesh >= relay? * share,
        })
    }
}

#[cfg(test)]
mod tests;

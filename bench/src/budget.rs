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
    /// Not more than the figure of the mesh that looks at nothing, and that.
    OverMesh(f64),
}

/// Figures that bounds refer to, as far as they were measured.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Beside {
    /// Of the relays.
    pub relay: Option<f64>,
    /// Of the mesh that looks at nothing.
    pub mesh: Option<f64>,
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
            Self::OverMesh(more) => format!("mesh + {}", figure(more)),
        }
    }

    /// Whether `own` is within it; nothing where it refers to what was not measured.
    pub fn holds(self, beside: Beside, own: f64) -> Option<bool> {
        Some(match self {
            Self::Below(limit) => own < limit,
            Self::Above(limit) => own > limit,
            Self::AtMost(limit) => own <= limit,
            Self::AtLeast(limit) => own >= limit,
            Self::OverRelay(more) => own <= beside.relay? + more,
            Self::OfRelay(share) => own >= beside.relay? * share,
            Self::OverMesh(more) => own <= beside.mesh? + more,
        })
    }
}

#[cfg(test)]
mod tests;

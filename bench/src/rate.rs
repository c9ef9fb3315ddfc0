//! Fixed rates of requests, and what is shown of each.

use crate::row::Better;

/// Requests a second, whatever becomes of those before.
///
/// Each connection keeps a timetable of its own, and its timer is late by up to 1 ms: there are as many
/// connections as give each at least 5 ms between two requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rate {
    /// 1,000 on 16 connections, one each 16 ms.
    Thousand,
    /// 3,200, as published comparisons have it, on 16 connections, one each 5 ms.
    Published,
    /// 10,000 on 64 connections, one each 6.4 ms.
    TenThousand,
}

/// What is shown of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shown {
    /// Median time of a request, from when it was due.
    P50,
    /// 99th percentile.
    P99,
    /// 99.9th percentile.
    P999,
    /// The median, less that of the direct way in the same round.
    P50OverDirect,
    /// The same as per cent of the direct way's.
    P50Percent,
    /// The 99th percentile over that of the direct way in the same round, as per cent of it.
    P99Percent,
    /// Requests a second that were answered.
    Achieved,
}

// === impl Rate ===

impl Rate {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Thousand, Self::Published, Self::TenThousand];

    /// Requests a second, of all connections together.
    pub fn per_second(self) -> u32 {
        match self {
            Self::Thousand => 1_000,
            Self::Published => 3_200,
            Self::TenThousand => 10_000,
        }
    }

    /// Number of connections.
    pub fn connections(self) -> u32 {
        match self {
            Self::Thousand | Self::Published => 16,
            Self::TenThousand => 64,
        }
    }

    /// For readers.
    pub fn text(self) -> &'static str {
        match self {
            Self::Thousand => "1,000 requests/s",
            Self::Published => "3,200 requests/s",
            Self::TenThousand => "10,000 requests/s",
        }
    }

    /// Whether so many requests a second are that rate, but for what is under way at the end.
    pub fn is_kept_by(self, achieved: f64) -> bool {
        achieved >= f64::from(self.per_second()) * 0.99
    }

    /// What the keys of its rows begin with.
    fn prefix(self) -> &'static str {
        match self {
            Self::Thousand => "paced",
            Self::Published => "paced_3200",
            Self::TenThousand => "paced_10000",
        }
    }
}

// === impl Shown ===

impl Shown {
    /// All of them, in the order of the report.
    pub const ALL: [Self; 7] =
        [Self::P50, Self::P99, Self::P999, Self::P50OverDirect, Self::P50Percent, Self::P99Percent, Self::Achieved];

    /// For readers.
    pub fn title(self, rate: Rate) -> String {
        let text = rate.text();
        match self {
            Self::P50 => format!("{text} on {} connections, p50, µs", rate.connections()),
            Self::P99 => format!("{text}, p99, µs"),
            Self::P999 => format!("{text}, p99.9, µs"),
            Self::P50OverDirect => format!("{text}, p50 over direct, µs"),
            Self::P50Percent => format!("{text}, p50 over direct, %"),
            Self::P99Percent => format!("{text}, p99 over direct, %"),
            Self::Achieved => format!("{text}, of which were answered"),
        }
    }

    /// For programs.
    pub fn key(self, rate: Rate) -> String {
        let name = match self {
            Self::P50 => "p50_us",
            Self::P99 => "p99_us",
            Self::P999 => "p999_us",
            Self::P50OverDirect => "p50_over_direct_us",
            Self::P50Percent => "p50_over_direct_percent",
            Self::P99Percent => "p99_over_direct_percent",
            Self::Achieved => "achieved_per_second",
        };
        format!("{}_{name}", rate.prefix())
    }

    /// Which of two figures is the better one.
    pub fn better(self) -> Better {
        match self {
            Self::Achieved => Better::More,
            Self::P50 | Self::P99 | Self::P999 | Self::P50OverDirect | Self::P50Percent | Self::P99Percent => {
                Better::Less
            }
        }
    }
}

/// What `own` is over `direct`, as per cent of it; nothing where there is nothing to be a part of.
pub fn percent_over(direct: f64, own: f64) -> Option<f64> {
    (direct > 0.0).then(|| (own - direct) * 100.0 / direct)
}

#[cfg(test)]
mod tests;

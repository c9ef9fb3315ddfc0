//! How many CPUs the proxies get.

/// A number of CPUs that a pair of proxies is kept on, both on the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cpus {
    /// One.
    One,
    /// Two.
    Two,
}

/// What is shown of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OnCpus {
    /// Requests a second.
    Throughput,
    /// CPU time of the pair for each of them.
    RequestCpu,
}

// === impl Cpus ===

impl Cpus {
    /// Both.
    pub const ALL: [Self; 2] = [Self::One, Self::Two];

    /// How many.
    pub fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
        }
    }

    /// For readers.
    pub fn text(self) -> &'static str {
        match self {
            Self::One => "1 CPU",
            Self::Two => "2 CPUs",
        }
    }

    /// The first of `list`, as the kernel writes it (`0-3,8`), as such a list; nothing where there are fewer.
    pub fn first_of(self, list: &str) -> Option<String> {
        let number = |text: &str| text.parse::<u32>().ok();
        let range = |part: &str| match part.split_once('-') {
            Some((from, to)) => Some(number(from)?..=number(to)?),
            None => Some(number(part)?..=number(part)?),
        };
        let ranges = list.trim().split(',').map(range).collect::<Option<Vec<_>>>()?;
        let first: Vec<String> = ranges.into_iter().flatten().take(self.count()).map(|cpu| cpu.to_string()).collect();
        (first.len() == self.count()).then(|| first.join(","))
    }
}

// === impl OnCpus ===

impl OnCpus {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Throughput, Self::RequestCpu];

    /// For readers.
    pub fn title(self, cpus: Cpus) -> String {
        let text = cpus.text();
        match self {
            Self::Throughput => format!("64 connections, the pair on {text}, requests/s"),
            Self::RequestCpu => format!("64 connections, the pair on {text}, its CPU a request, µs"),
        }
    }

    /// For programs.
    pub fn key(self, cpus: Cpus) -> String {
        let name = match self {
            Self::Throughput => "requests_per_second",
            Self::RequestCpu => "request_cpu_us",
        };
        let number = cpus.count();
        format!("{name}_on_{number}_cpu")
    }
}

#[cfg(test)]
mod tests;

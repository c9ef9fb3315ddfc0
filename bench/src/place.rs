//! Where proxies stand, and what is told of each by itself.

/// Where one stands on the way of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Beside the driver, or at its node.
    Caller,
    /// Beside neither: a waypoint, a gateway.
    Between,
    /// Beside the server, or at its node.
    Callee,
}

/// What is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OfOne {
    /// CPU time for each of the requests on 64 connections.
    RequestCpu,
    /// Memory before any load.
    MemoryIdle,
    /// Most memory under load.
    MemoryLoaded,
}

// === impl Place ===

impl Place {
    /// All of them, in the order of a request.
    pub const ALL: [Self; 3] = [Self::Caller, Self::Between, Self::Callee];

    /// For readers.
    fn text(self) -> &'static str {
        match self {
            Self::Caller => "the caller's proxy",
            Self::Between => "the proxy between",
            Self::Callee => "the callee's proxy",
        }
    }

    /// For programs.
    fn key(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Between => "between",
            Self::Callee => "callee",
        }
    }
}

// === impl OfOne ===

impl OfOne {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::RequestCpu, Self::MemoryIdle, Self::MemoryLoaded];

    /// Of whichever proxy, for readers.
    pub fn head(self) -> &'static str {
        match self {
            Self::RequestCpu => "64 connections, CPU a request, µs",
            Self::MemoryIdle => "memory, idle, MiB",
            Self::MemoryLoaded => "loaded, MiB",
        }
    }

    /// For readers.
    pub fn title(self, place: Place) -> String {
        let of = place.text();
        match self {
            Self::RequestCpu => format!("64 connections, CPU of {of} a request, µs"),
            Self::MemoryIdle => format!("memory of {of}, idle, MiB"),
            Self::MemoryLoaded => format!("memory of {of}, loaded, MiB"),
        }
    }

    /// For programs.
    pub fn key(self, place: Place) -> String {
        let name = match self {
            Self::RequestCpu => "request_cpu_us",
            Self::MemoryIdle => "memory_idle_mib",
            Self::MemoryLoaded => "memory_loaded_mib",
        };
        format!("{}_{name}", place.key())
    }
}

//! The lines of the report, and what the mesh may cost in each.

use crate::{
    budget::{Bound, Budget},
    cpus::{Cpus, OnCpus},
    place::{OfOne, Place},
    rate::{Rate, Shown},
    way::Way,
};

/// One line of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// Median round trip on one connection, all on one CPU.
    PinnedP50,
    /// 99th percentile of the same.
    PinnedP99,
    /// Requests a second on 64 connections.
    Throughput,
    /// 99th percentile of the same.
    ThroughputP99,
    /// CPU time of the pair for each of them.
    RequestCpu,
    /// What requests at a fixed rate show.
    Paced(Rate, Shown),
    /// What requests show while the pair has no more than so many CPUs.
    OnCpus(Cpus, OnCpus),
    /// Unary calls of gRPC a second, on 64 streams.
    Calls,
    /// Median time of the same.
    CallsP50,
    /// 99th percentile.
    CallsP99,
    /// CPU time of the pair for each of them.
    CallCpu,
    /// New connections a second, one request on each.
    Connects,
    /// CPU time of the pair for each of them.
    ConnectCpu,
    /// CPU time of the mesh's privileged helpers for each of them.
    HelperCpu,
    /// One bulk stream.
    Bulk,
    /// CPU time of the pair for a gigabyte of it.
    BulkCpu,
    /// Several bulk streams at a time.
    ParallelBulk,
    /// Memory of the pair before any load.
    MemoryIdle,
    /// Most memory of the pair under load.
    MemoryLoaded,
    /// What one of its proxies shows by itself.
    At(Place, OfOne),
}

/// Which of two figures is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The lesser.
    Less,
    /// The greater.
    More,
}

// === impl Row ===

impl Row {
    /// All rows, in the order of the report.
    pub fn all() -> impl Iterator<Item = Self> {
        let closed = [Self::PinnedP50, Self::PinnedP99, Self::Throughput, Self::ThroughputP99, Self::RequestCpu];
        let paced = Rate::ALL.into_iter().flat_map(|rate| Shown::ALL.map(|shown| Self::Paced(rate, shown)));
        let on_cpus = Cpus::ALL.into_iter().flat_map(|cpus| OnCpus::ALL.map(|shown| Self::OnCpus(cpus, shown)));
        let others = [
            Self::Calls,
            Self::CallsP50,
            Self::CallsP99,
            Self::CallCpu,
            Self::Connects,
            Self::ConnectCpu,
            Self::HelperCpu,
            Self::Bulk,
            Self::BulkCpu,
            Self::ParallelBulk,
            Self::MemoryIdle,
            Self::MemoryLoaded,
        ];
        let each = Place::ALL.into_iter().flat_map(|place| OfOne::ALL.map(|shown| Self::At(place, shown)));
        closed.into_iter().chain(on_cpus).chain(paced).chain(others).chain(each)
    }

    /// What it is, for readers.
    pub fn title(self) -> String {
        let text = match self {
            Self::Paced(rate, shown) => return shown.title(rate),
            Self::OnCpus(cpus, shown) => return shown.title(cpus),
            Self::At(place, shown) => return shown.title(place),
            Self::PinnedP50 => "1 connection on one CPU, p50, µs",
            Self::PinnedP99 => "1 connection on one CPU, p99, µs",
            Self::Throughput => "64 connections, requests/s",
            Self::ThroughputP99 => "64 connections, p99, µs",
            Self::RequestCpu => "64 connections, CPU of the pair a request, µs",
            Self::Calls => "gRPC on 64 streams, calls/s",
            Self::CallsP50 => "gRPC on 64 streams, p50, µs",
            Self::CallsP99 => "gRPC on 64 streams, p99, µs",
            Self::CallCpu => "gRPC on 64 streams, CPU of the pair a call, µs",
            Self::Connects => "new connections/s",
            Self::ConnectCpu => "CPU of the pair a new connection, µs",
            Self::HelperCpu => "CPU of the agents a new connection, µs",
            Self::Bulk => "one bulk stream, Gbit/s",
            Self::BulkCpu => "one bulk stream, CPU of the pair, seconds/GB",
            Self::ParallelBulk => "8 bulk streams, Gbit/s",
            Self::MemoryIdle => "memory of the pair, idle, MiB",
            Self::MemoryLoaded => "memory of the pair, loaded, MiB",
        };
        text.to_owned()
    }

    /// Its name, for programs.
    pub fn key(self) -> String {
        let key = match self {
            Self::Paced(rate, shown) => return shown.key(rate),
            Self::OnCpus(cpus, shown) => return shown.key(cpus),
            Self::At(place, shown) => return shown.key(place),
            Self::PinnedP50 => "pinned_p50_us",
            Self::PinnedP99 => "pinned_p99_us",
            Self::Throughput => "requests_per_second",
            Self::ThroughputP99 => "requests_p99_us",
            Self::RequestCpu => "request_cpu_us",
            Self::Calls => "grpc_calls_per_second",
            Self::CallsP50 => "grpc_p50_us",
            Self::CallsP99 => "grpc_p99_us",
            Self::CallCpu => "grpc_call_cpu_us",
            Self::Connects => "connections_per_second",
            Self::ConnectCpu => "connection_cpu_us",
            Self::HelperCpu => "connection_agent_cpu_us",
            Self::Bulk => "bulk_gbit_per_second",
            Self::BulkCpu => "bulk_cpu_seconds_per_gb",
            Self::ParallelBulk => "parallel_bulk_gbit_per_second",
            Self::MemoryIdle => "memory_idle_mib",
            Self::MemoryLoaded => "memory_loaded_mib",
        };
        key.to_owned()
    }

    /// What that way of the mesh may cost there.
    pub fn budget(self, way: Way) -> Budget {
        match way {
            Way::MeshL7 | Way::MeshSidecar => self.l7(),
            // Three proxies instead of two, or one for all who come: there is nothing like it to be measured by.
            Way::MeshWaypoint | Way::MeshGateway => Budget::default(),
            Way::MeshMetered if self == Self::RequestCpu => Budget { must: Some(Bound::OverMesh(2.0)), goal: None },
            _ => self.l4(),
        }
    }

    fn l4(self) -> Budget {
        let budget = |must, goal| Budget { must: Some(must), goal: Some(goal) };
        match self {
            Self::PinnedP50 => budget(Bound::Below(65.0), Bound::OverRelay(8.0)),
            Self::Throughput => budget(Bound::Above(33_000.0), Bound::AtLeast(52_000.0)),
            Self::RequestCpu => budget(Bound::Below(36.0), Bound::AtMost(24.0)),
            Self::Paced(Rate::Thousand, Shown::P50OverDirect) => budget(Bound::Below(420.0), Bound::AtMost(200.0)),
            Self::Connects => budget(Bound::Above(7_800.0), Bound::OfRelay(0.85)),
            Self::Bulk => budget(Bound::Above(10.6), Bound::OfRelay(0.9)),
            Self::MemoryIdle => budget(Bound::Below(37.0), Bound::AtMost(16.0)),
            Self::MemoryLoaded => Budget { must: None, goal: Some(Bound::AtMost(24.0)) },
            Self::PinnedP99
            | Self::ThroughputP99
            | Self::Paced(..)
            | Self::Calls
            | Self::OnCpus(..)
            | Self::CallsP50
            | Self::CallsP99
            | Self::CallCpu
            | Self::ConnectCpu
            | Self::HelperCpu
            | Self::BulkCpu
            | Self::ParallelBulk
            | Self::At(..) => Budget::default(),
        }
    }

    fn l7(self) -> Budget {
        let budget = |must, goal| Budget { must: Some(must), goal: Some(goal) };
        match self {
            Self::PinnedP50 => budget(Bound::Below(145.0), Bound::OverRelay(20.0)),
            Self::Throughput => budget(Bound::Above(22_000.0), Bound::AtLeast(44_000.0)),
            Self::RequestCpu => budget(Bound::Below(58.0), Bound::AtMost(32.0)),
            Self::Paced(Rate::Thousand, Shown::P50OverDirect) => budget(Bound::Below(900.0), Bound::AtMost(300.0)),
            Self::Connects => budget(Bound::Above(7_800.0), Bound::OfRelay(0.85)),
            Self::MemoryIdle => budget(Bound::Below(50.0), Bound::AtMost(20.0)),
            Self::MemoryLoaded => Budget { must: None, goal: Some(Bound::AtMost(32.0)) },
            Self::PinnedP99
            | Self::ThroughputP99
            | Self::Paced(..)
            | Self::Calls
            | Self::OnCpus(..)
            | Self::CallsP50
            | Self::CallsP99
            | Self::CallCpu
            | Self::ConnectCpu
            | Self::HelperCpu
            | Self::Bulk
            | Self::BulkCpu
            | Self::ParallelBulk
            | Self::At(..) => Budget::default(),
        }
    }

    /// Whether it is told of one proxy by itself.
    pub fn is_of_one(self) -> bool {
        matches!(self, Self::At(..))
    }

    /// Whether it is a part already, of which a multiple says nothing.
    pub fn is_percent(self) -> bool {
        matches!(self, Self::Paced(_, Shown::P50Percent | Shown::P99Percent))
    }

    /// Which of two figures is the better one.
    pub fn better(self) -> Better {
        match self {
            Self::Paced(_, shown) => shown.better(),
            Self::OnCpus(_, OnCpus::Throughput)
            | Self::Throughput
            | Self::Calls
            | Self::Connects
            | Self::Bulk
            | Self::ParallelBulk => Better::More,
            Self::PinnedP50
            | Self::PinnedP99
            | Self::ThroughputP99
            | Self::OnCpus(_, OnCpus::RequestCpu)
            | Self::RequestCpu
            | Self::CallsP50
            | Self::CallsP99
            | Self::CallCpu
            | Self::ConnectCpu
            | Self::HelperCpu
            | Self::BulkCpu
            | Self::MemoryIdle
            | Self::MemoryLoaded
            | Self::At(..) => Better::Less,
        }
    }
}

// === impl Better ===

impl Better {
    /// Whether `one` is better than `other`.
    pub fn is(self, one: f64, other: f64) -> bool {
        match self {
            Self::Less => one < other,
            Self::More => one > other,
        }
    }
}

//! What is measured, one turn at a time, and how it is picked.

use std::fmt;

use clap::ValueEnum;

use crate::{command::Work, cpus::Cpus, rate::Rate, way::Way};

/// Numbers of workloads that a node proxy's memory is looked at with.
pub const WORKLOADS: [u32; 3] = [1, 50, 500];
/// Starts of workloads and changes of routes.
pub const SAMPLES: usize = 10;

/// What can be picked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Piece {
    /// Requests on one connection, all on one CPU.
    Pinned,
    /// Requests on 64 connections, as fast as answers come.
    Requests,
    /// The same, with the pair on 1 and on 2 CPUs.
    Cores,
    /// Requests at fixed rates.
    Paced,
    /// Unary calls of gRPC.
    Grpc,
    /// New connections.
    Connects,
    /// Streams, one and several.
    Bulk,
    /// Memory of one node proxy by the number of its workloads.
    Workloads,
    /// What the start of a workload takes in the mesh and out of it.
    StartUp,
    /// How soon a changed route is followed.
    Propagation,
}

/// What a way does in one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// One request after the other on one connection, all processes on one CPU.
    Pinned,
    /// One request after the other on 64 connections.
    Requests,
    /// The same, with the pair on so many CPUs.
    OnCpus(Cpus),
    /// Requests at a fixed rate.
    Paced(Rate),
    /// Unary calls of gRPC on 64 streams, 8 on each of 8 connections, so that each thread of a proxy has some.
    Grpc,
    /// A new connection for each request.
    Connects,
    /// One stream.
    Bulk,
    /// Eight streams.
    ParallelBulk,
}

// === impl Piece ===

impl Piece {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Pinned,
        Self::Requests,
        Self::Cores,
        Self::Paced,
        Self::Grpc,
        Self::Connects,
        Self::Bulk,
        Self::Workloads,
        Self::StartUp,
        Self::Propagation,
    ];

    /// Its name, on the command line and for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Requests => "requests",
            Self::Cores => "cores",
            Self::Paced => "paced",
            Self::Grpc => "grpc",
            Self::Connects => "connects",
            Self::Bulk => "bulk",
            Self::Workloads => "workloads",
            Self::StartUp => "start-up",
            Self::Propagation => "propagation",
        }
    }

    /// What each way has to do for it, in this order; nothing where the mesh itself is looked at.
    pub fn tasks(self) -> Vec<Task> {
        match self {
            Self::Pinned => vec![Task::Pinned],
            Self::Requests => vec![Task::Requests],
            Self::Cores => Cpus::ALL.map(Task::OnCpus).to_vec(),
            Self::Paced => Rate::ALL.map(Task::Paced).to_vec(),
            Self::Grpc => vec![Task::Grpc],
            Self::Connects => vec![Task::Connects],
            Self::Bulk => vec![Task::Bulk, Task::ParallelBulk],
            Self::Workloads | Self::StartUp | Self::Propagation => Vec::new(),
        }
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

// === impl Task ===

impl Task {
    /// What the driver is asked for.
    pub fn work(self) -> Work {
        match self {
            Self::Pinned => Work::Requests { connections: 1 },
            Self::Requests | Self::OnCpus(_) => Work::Requests { connections: 64 },
            Self::Paced(rate) => Work::Paced { connections: rate.connections(), rate: rate.per_second() },
            Self::Grpc => Work::Grpc { connections: 8, streams: 8 },
            Self::Connects => Work::Connects { concurrency: 16 },
            Self::Bulk => Work::Bulk { streams: 1 },
            Self::ParallelBulk => Work::Bulk { streams: 8 },
        }
    }

    /// Whether it says something of that way.
    pub fn is_for(self, way: Way) -> bool {
        way.does(self.work()) && (way.has_pair() || !matches!(self, Self::OnCpus(_)))
    }

    /// Whether it is one of the few that say what a role costs beside another: of all rates one, and no stream of bytes.
    pub fn tells_of_roles(self) -> bool {
        match self {
            Self::Pinned | Self::Requests | Self::Paced(Rate::Published) | Self::Connects => true,
            Self::OnCpus(_) | Self::Paced(_) | Self::Grpc | Self::Bulk | Self::ParallelBulk => false,
        }
    }

    /// For whoever watches.
    pub fn text(self) -> String {
        match self {
            Self::Pinned => "1 connection on one CPU".to_owned(),
            Self::Requests => "64 connections".to_owned(),
            Self::OnCpus(cpus) => format!("64 connections, the pair on {}", cpus.text()),
            Self::Paced(rate) => format!("{} on {} connections", rate.text(), rate.connections()),
            Self::Grpc => "gRPC on 64 streams".to_owned(),
            Self::Connects => "new connections".to_owned(),
            Self::Bulk => "one bulk stream".to_owned(),
            Self::ParallelBulk => "8 bulk streams".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;

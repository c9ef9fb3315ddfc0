//! Resource limits.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A resource of a workload that can be limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Address space in bytes.
    AddressSpace,
    /// Open files.
    OpenFiles,
    /// Bytes of a core file.
    CoreFile,
    /// Seconds of processor time.
    CpuSeconds,
}

impl Limit {
    pub(super) fn number(self) -> libc::__rlimit_resource_t {
        match self {
            Self::AddressSpace => libc::RLIMIT_AS,
            Self::OpenFiles => libc::RLIMIT_NOFILE,
            Self::CoreFile => libc::RLIMIT_CORE,
            Self::CpuSeconds => libc::RLIMIT_CPU,
        }
    }
}

/// Lets this process open as many files as its hard limit allows; gives that number.
pub fn set_nofile_to_hard_limit() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?;
    Ok(limit.maximum.unwrap_or(u64::MAX))
}

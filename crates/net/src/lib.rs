//! Linux for the rest of Ripstop: namespaces, processes, sockets that capture and spoof, links and routes, nftables.
//!
//! The main types are [`NetNs`] (a network namespace that is kept open), the spawning requests of [`process`]
//! ([`process::WorldSpawn`], [`process::WorkloadSpawn`], [`process::RoleSpawn`]), [`nft::capture`] (the rules that
//! bring a workload's traffic to its proxy) and [`SocketSource`] (where a worker without privileges gets sockets that
//! live in a workload's namespace). This is the only crate with unsafe code; each block states why it is sound.
//!
//! It knows nothing of meshes: no identity, no policy, no configuration; and it never runs another program by itself:
//! all of it is system calls and netlink.

#[cfg(not(target_os = "linux"))]
compile_error!("Ripstop runs on Linux only");

pub mod diag;
mod error;
pub mod link;
pub mod memory;
pub mod namespace;
mod netlink;
pub mod nft;
pub mod process;
pub mod scm;
pub mod socket;
pub mod source;
pub mod splice;

pub use error::Error;
pub use namespace::{NetNs, PeerNs, PeerProcess, peer_namespace, peer_process, peer_user, run_in};
pub use scm::FdChannel;
pub use source::{Family, NamespaceSockets, SocketKind, SocketSource};

/// Mark of every packet that the proxy itself sends.
pub const MARK_PROXY: u32 = 0x539;
/// Mark of packets that the proxy sends with the address of somebody else, and of the answers to them.
pub const MARK_SPOOFED: u32 = 0x538;
/// Mark of packets of an application that go to the proxy instead of the network.
pub const MARK_CAPTURED: u32 = 0x222;
/// The bits of a packet's mark that are Ripstop's.
pub const MARK_MASK: u32 = 0xfff;
/// Mark of a workload's traffic that leaves the mesh by its node's agent.
pub const MARK_EGRESS: u32 = 0x224;

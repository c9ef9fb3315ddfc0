//! The whole control plane over loopback, with real TLS and real clients.

mod access;
mod flow;
mod gateways;
mod harness;
mod traffic;

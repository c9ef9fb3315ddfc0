//! HTTP/1.1 connections of either end.

mod client;
mod forward;
mod input;
mod output;
mod server;

pub use self::{
    client::{ClientOptions, Heard, Http1Client},
    server::{Closed, HalfClose, Http1Server, Next, Refusal, ServerOptions},
};
pub(crate) use self::{forward::Upgrade, input::Form};

//! HTTP/2 connections of either end: one driver each, with the socket; streams as handles.

mod client;
mod core;
mod driver;
mod inbox;
mod lists;
mod server;
mod storage;
mod stream;

pub use self::{
    client::{Http2Call, Http2Client},
    driver::{Http2Driver, Http2Options},
    server::{Came, Http2Request, Http2Server},
};
pub(crate) use self::{lists::List, server::split};

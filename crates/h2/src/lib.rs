//! HTTP/2 (RFC 9113) with HPACK (RFC 7541), both sides, without sockets, clocks or tasks.
//!
//! A [`Connection`] belongs to one owner, who hands it what was received ([`Connection::receive`], which gives
//! [`Event`]s) and writes what it wants to send ([`Connection::output`]). Payload is never copied on its way in:
//! [`Event::Data`] is a piece of the owner's own input. On its way out it can be read straight into the frame that will
//! carry it ([`Connection::data_space`]).
//!
//! * Strict: what RFC 9113 calls an error is one, with its code; messages that are malformed never show up.
//! * Flow control is by consumption: the peer gets window back for what the owner said was used
//!   ([`Connection::consume`]), so a reader that stalls holds one stream window and no more. The windows of streams that
//!   need it grow, out of what the connection's window leaves ([`Config::connection_window`]).
//! * Every way to make the other side work for nothing has a limit ([`Limits`]): streams that are reset too soon, errors
//!   provoked (MadeYouReset), SETTINGS, PING, empty and other idle frames, CONTINUATION, header lists, unread output.
//! * A [`RequestWriter`], a [`ResponseWriter`] and [`write_trailers`] make messages of what came from elsewhere, by the
//!   same rules: what belongs to another connection is left out, what is no field is refused.
//! * A [`Meter`] only watches: it tells of the requests of a connection that somebody else carries.
//! * No lock, no reference count, no channel. Streams live in a slab; a [`StreamRef`] is an index that can't be mistaken
//!   for that of an earlier stream.

mod authority;
mod budget;
mod code;
mod connection;
mod error;
mod farewell;
mod fields;
mod frame;
pub mod hpack;
mod message;
mod meter;
mod octets;
mod output;
mod reader;
mod settings;
mod stream;
mod trailers;
#[cfg(test)]
#[path = "../tests/wire/mod.rs"]
mod wire;
mod write;

pub use budget::Rate;
pub use code::Code;
pub use connection::{Cause, Config, Connection, End, Event, Limits, Refusals, Request, Role};
pub use error::{ConnectionError, OpenError, SendError};
pub use farewell::Farewell;
pub use fields::{Field, Fields};
pub use frame::{DEFAULT_MAX_FRAME, DEFAULT_WINDOW, MAX_WINDOW, PREFACE};
pub use message::{Extended, Malformed, RequestHead, ResponseHead};
pub use meter::{Detail, Ended, Keep, KeptFields, Meter, MeterLimits, Record, Stopped};
pub use stream::StreamRef;
pub use write::{RequestWriter, ResponseWriter, write_trailers};

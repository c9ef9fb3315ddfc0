//! HTTP/1.1 on the wire, strictly: what is ambiguous is refused, never repaired.
//!
//! Bytes and facts go in, ranges and verdicts come out; there are no sockets, clocks or tasks here, and no bytes are
//! copied but for what is written anew.
//!
//! - [`ServerConnection`] and [`ClientConnection`] are the two ends of a connection as state machines. They say what
//!   the next bytes are, how a message must be framed, and when the connection ends.
//! - [`RequestParser`] and [`ResponseParser`] read one head after the other from a growing buffer, each byte once, into
//!   an index of ranges ([`RequestHead`], [`ResponseHead`], [`Fields`]) whose storage is used again. [`BodyDecoder`]
//!   reads bodies from slices of any size.
//! - [`Edits`] are changes of a head. What is not touched is sent from where it lies, byte by byte as it came.
//! - [`RequestWriter`] and [`ResponseWriter`] make heads from parts, such as those of an HTTP/2 message;
//!   [`ChunkHead`], [`CHUNK_END`], [`LAST_CHUNK`] and [`write_trailers`] make chunked bodies.
//! - [`Meter`] follows a connection that somebody else carries and counts what passes.
//!
//! ```
//! use ripstop_h1::{BodyKind, Limits, Persistence, Received, ServerConnection};
//!
//! let mut connection = ServerConnection::new(Limits::default());
//! let input = b"GET /hello HTTP/1.1\r\nHost: shop\r\n\r\n";
//! let Received::Head(length) = connection.receive(input)? else { panic!("it is whole") };
//! let head = connection.head(input);
//! assert_eq!((head.method(), head.path(), length), (&b"GET"[..], &b"/hello"[..], input.len()));
//! assert_eq!(head.fields().get(b"host"), Some(&b"shop"[..]));
//!
//! let answer = connection.respond(200, BodyKind::Length(2), Persistence::KeepAlive)?;
//! assert_eq!(answer.body, BodyKind::Length(2));
//! // Send head and body, then:
//! assert_eq!(connection.finish_response(), Ok(Persistence::KeepAlive));
//! # Ok::<_, ripstop_h1::Rejected>(())
//! ```
//!
//! # What is refused
//!
//! A message is a [`Rejected`] with its [`Reason`], place and status to answer, if it has any of these:
//!
//! - Lines: LF or CR alone; folded fields; whitespace before a colon or before the first field; control bytes in
//!   values (bytes of 0x80 and above pass as they are); empty names, and names that are no tokens; more than one empty
//!   line before a request, or any before a response (one before a request is ignored, RFC 9112 2.2).
//! - Versions other than 1.1 and 1.0; methods that are no tokens; targets with a fragment, a space, a control byte or
//!   one beyond ASCII, or of a form that the method has not; schemes other than `http` and `https` in a target.
//! - Hosts: none in 1.1, several, one that is no name or address with an optional port from 1 to 65535 (an empty one,
//!   user information), one that differs from that of the target.
//! - Bodies: several Content-Length fields, lists of lengths, leading zeros; Content-Length and Transfer-Encoding
//!   together; any transfer coding but `chunked` once; any in HTTP/1.0; framing fields in CONNECT, in its 2xx, in 1xx
//!   and in 204 (but for a length of 0 in the latter two).
//! - Chunks: whitespace, signs or prefixes around sizes, more than 16 digits, lines and data that do not end with
//!   CR LF, extensions that break their grammar; trailers that must not be any (RFC 9110 6.5.1), all forwarding fields
//!   among them.
//! - A Connection field that names Host or a framing field; expectations other than 100-continue.
//! - Responses nobody asked for, statuses beyond 599, a switch that was not asked for.
//! - Anything above its [`Limits`].
//!
//! # Upgrades and tunnels
//!
//! A request may offer an upgrade and have a body (as Docker's do): the body is read as such. After it, and after
//! CONNECT, bytes are held until the answer; see [`ServerConnection`].

mod authority;
mod body;
mod chunked;
mod client;
mod decimal;
mod edits;
mod error;
mod fields;
mod framing;
mod limits;
mod meter;
mod octets;
mod request;
mod response;
mod scan;
mod server;
mod target;
mod trailers;
mod version;
mod write;

pub use body::{BodyDecoder, Decoded};
pub use client::{Asked, ClientConnection, Reply, TunnelFraming};
pub use edits::{Edits, RequestEdits, ResponseEdits};
pub use error::{Reason, Rejected, Side};
pub use fields::{Field, Fields, list};
pub use framing::{BodyKind, Persistence, Version};
pub use limits::Limits;
pub use meter::{Detail, Ended, Keep, KeptFields, Meter, Record, Stopped};
pub use request::{MethodKind, RequestHead, RequestParser};
pub use response::{ResponseHead, ResponseParser};
pub use server::{Answer, AnswerKind, ConnectionOption, Received, ServerConnection};
pub use target::TargetForm;
pub use trailers::Trailers;
pub use write::{CHUNK_END, ChunkHead, LAST_CHUNK, RequestWriter, ResponseWriter, write_trailers};

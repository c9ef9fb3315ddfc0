//! Why a message was refused, by whom, and where.

use thiserror::Error;

/// A message that was refused. Nothing that comes after it on its connection means anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{side} refused at byte {at}: {reason}")]
pub struct Rejected {
    /// What is wrong.
    pub reason: Reason,
    /// Whose message it is.
    pub side: Side,
    /// Where: in a head, from the first byte that was given to the parser for it; in a body, from the body's first
    /// byte as it came (chunk lines count).
    pub at: u64,
}

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// From client to server.
    Request,
    /// From server to client.
    Response,
}

/// What is wrong with a message, whether it was read or was to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum Reason {
    // The head, byte by byte.
    /// More than one empty line before a request, or one before a response.
    #[error("there are empty lines before the message; at most one before a request is ignored")]
    EmptyLines,
    /// A line feed without a carriage return before it.
    #[error("a line ends with LF alone; lines must end with CR LF")]
    BareLineFeed,
    /// A carriage return without a line feed after it.
    #[error("a carriage return has no line feed after it")]
    BareCarriageReturn,
    /// The method is empty or no token.
    #[error("the method is not a token")]
    BadMethod,
    /// The method is longer than [`Limits::method`](crate::Limits::method).
    #[error("the method is longer than any that is known")]
    MethodTooLong,
    /// The target is empty or has a byte that no target has.
    #[error(
        "the target has a space, a control byte or a byte beyond ASCII, or there is none; such bytes must be percent-encoded"
    )]
    BadTargetByte,
    /// The target has a fragment.
    #[error("the target has a fragment; a client must keep it to itself")]
    Fragment,
    /// The target is longer than [`Limits::target`](crate::Limits::target).
    #[error("the target is too long")]
    TargetTooLong,
    /// The target's form is not one that the method has, or none at all.
    #[error("the target has not the form that its method needs; a path begins with `/`")]
    TargetForm,
    /// The request line ends without a version.
    #[error("the request line has no version; HTTP/0.9 is not served")]
    MissingVersion,
    /// The version is not written as one.
    #[error("the version is malformed")]
    BadVersion,
    /// A version, but none of those served.
    #[error("the version is neither HTTP/1.1 nor HTTP/1.0")]
    UnsupportedVersion,
    /// The status is not three digits from 100 to 599 after one space, or something else than a space or the line's
    /// end follows.
    #[error("the status is not a number from 100 to 599 after one space")]
    BadStatus,
    /// A control byte in the reason phrase.
    #[error("the reason phrase has a control byte")]
    BadReasonPhrase,
    /// The reason phrase is longer than [`Limits::reason`](crate::Limits::reason).
    #[error("the reason phrase is too long")]
    ReasonPhraseTooLong,
    /// Whitespace before the first field.
    #[error("there is whitespace before the first field")]
    LeadingWhitespace,
    /// A field goes on in the next line.
    #[error("a field is folded over several lines, which is obsolete")]
    ObsoleteFold,
    /// A field without a name.
    #[error("a field has no name")]
    EmptyName,
    /// A byte in a field name that no token has.
    #[error("a field's name has a byte that no name may have")]
    BadName,
    /// Whitespace in or after a field name.
    #[error("there is whitespace before a field's colon")]
    WhitespaceBeforeColon,
    /// A line in a head without a colon.
    #[error("a field has no colon")]
    MissingColon,
    /// A control byte in a field value.
    #[error("a field's value has a control byte")]
    BadValue,
    /// A name longer than [`Limits::name`](crate::Limits::name).
    #[error("a field's name is too long")]
    NameTooLong,
    /// A value longer than [`Limits::value`](crate::Limits::value).
    #[error("a field's value is too long")]
    ValueTooLong,
    /// More fields than [`Limits::fields`](crate::Limits::fields).
    #[error("there are too many fields")]
    TooManyFields,
    /// A head larger than [`Limits::head`](crate::Limits::head).
    #[error("the head is too large")]
    HeadTooLarge,

    // What the head says.
    /// A 1.1 request without Host.
    #[error("there is no Host field")]
    MissingHost,
    /// Several Host fields.
    #[error("there is more than one Host field")]
    DuplicateHost,
    /// A host that is no name or address with an optional port.
    #[error("the host is not a name or address with an optional port")]
    BadHost,
    /// The target names another host than the Host field.
    #[error("the target names another host than the Host field")]
    HostMismatch,
    /// Several Content-Length fields, even if they agree.
    #[error("there is more than one Content-Length field")]
    DuplicateContentLength,
    /// A length that is not a plain decimal number.
    #[error("the Content-Length is not a plain decimal number of at most 64 bits without leading zeros")]
    BadContentLength,
    /// Content-Length and Transfer-Encoding together.
    #[error("there are both Content-Length and Transfer-Encoding, so its end is ambiguous")]
    LengthAndEncoding,
    /// Several Transfer-Encoding fields.
    #[error("there is more than one Transfer-Encoding field")]
    DuplicateTransferEncoding,
    /// A transfer coding that is malformed, or `chunked` more than once.
    #[error("the Transfer-Encoding is malformed; only `chunked`, once, is understood")]
    BadTransferEncoding,
    /// Any transfer coding but `chunked` alone.
    #[error("the transfer coding is not implemented; only `chunked` is")]
    UnknownTransferCoding,
    /// Transfer-Encoding in HTTP/1.0.
    #[error("HTTP/1.0 has no Transfer-Encoding")]
    EncodingInHttp10,
    /// A body where there can be none: CONNECT, its 2xx, 1xx, 204 (where a length of 0 is no more than superfluous).
    #[error("there is a Content-Length or Transfer-Encoding in a message that has no body")]
    BodyForbidden,
    /// Connection is not a list of tokens.
    #[error("the Connection field is not a list of tokens")]
    BadConnection,
    /// Connection names a field that all recipients need.
    #[error("the Connection field names a field that is not the connection's: {0}")]
    Nominated(&'static str),
    /// More options than [`Limits::connection_options`](crate::Limits::connection_options).
    #[error("the Connection fields have too many options")]
    TooManyConnectionOptions,
    /// More protocols than [`Limits::upgrade_protocols`](crate::Limits::upgrade_protocols).
    #[error("the Upgrade fields have too many protocols")]
    TooManyProtocols,
    /// Upgrade is not a list of protocols.
    #[error("the Upgrade field is not a list of protocols")]
    BadUpgrade,
    /// An expectation other than 100-continue.
    #[error("the expectation is not known; only 100-continue is")]
    UnknownExpectation,

    // The body.
    /// A body larger than [`Limits::body`](crate::Limits::body).
    #[error("the body is too large")]
    BodyTooLarge,
    /// A chunk size that is not 1 to 16 hexadecimal digits.
    #[error("a chunk's size is not 1 to 16 hexadecimal digits")]
    BadChunkSize,
    /// Chunk extensions that break their grammar.
    #[error("a chunk's extensions are malformed")]
    BadChunkExtension,
    /// A chunk's line longer than [`Limits::chunk_line`](crate::Limits::chunk_line).
    #[error("a chunk's line is too long")]
    ChunkLineTooLong,
    /// More extensions than [`Limits::chunk_extensions`](crate::Limits::chunk_extensions).
    #[error("there are too many chunk extensions")]
    ChunkExtensionsTooLarge,
    /// No CR LF after the data of a chunk.
    #[error("a chunk's data does not end with CR LF where its size says")]
    BadChunkEnd,
    /// A trailer section larger than [`Limits::trailers`](crate::Limits::trailers).
    #[error("the trailer section is too large")]
    TrailersTooLarge,
    /// More trailer fields than [`Limits::trailer_fields`](crate::Limits::trailer_fields).
    #[error("there are too many trailer fields")]
    TooManyTrailers,
    /// A field that must not come after the body (RFC 9110 6.5.1).
    #[error("a trailer field is one that must be in the head")]
    ForbiddenTrailer,
    /// The bytes end in the middle of a message.
    #[error("the connection ended in the middle of a message")]
    Truncated,

    // The conversation.
    /// A response that nobody asked for.
    #[error("there is a response that no request asked for")]
    Unsolicited,
    /// More than [`Limits::informational`](crate::Limits::informational) responses before the final one.
    #[error("there are too many informational responses")]
    TooManyInformational,
    /// 101 without a request to switch, to a protocol not offered, or before the request was complete.
    #[error("the server switches to a protocol that was not asked for, or too early")]
    UnexpectedSwitch,
    /// A request on a connection that takes no more, or more than [`Limits::pipelined`](crate::Limits::pipelined).
    #[error("the connection takes no further request now")]
    NoMoreRequests,
    /// A call that does not fit the state of the connection, such as the end of a body that has not begun.
    #[error("the connection is not in a state for that")]
    OutOfOrder,

    // Writing.
    /// A field of the hop, which is not written by name.
    #[error("the field belongs to one connection and is not carried over")]
    HopByHop,
    /// A framing field, which follows from the body.
    #[error("the field frames the message and follows from its body; it can't be written by hand")]
    Framing,
    /// Whitespace at the ends of a value, which another HTTP version may carry but this one can't.
    #[error("the value begins or ends with whitespace")]
    PaddedValue,
}

impl Rejected {
    pub(crate) const fn request(reason: Reason, at: u64) -> Self {
        Self { reason, side: Side::Request, at }
    }

    pub(crate) const fn response(reason: Reason, at: u64) -> Self {
        Self { reason, side: Side::Response, at }
    }

    /// The status that a server or proxy answers its client with. A bad response is always 502.
    pub fn status(&self) -> u16 {
        match self.side {
            Side::Request => self.reason.status(),
            Side::Response => 502,
        }
    }
}

impl Reason {
    /// The status to answer when a request has this flaw.
    pub fn status(self) -> u16 {
        match self {
            Self::BodyTooLarge => 413,
            Self::TargetTooLong => 414,
            Self::UnknownExpectation => 417,
            Self::NameTooLong
            | Self::ValueTooLong
            | Self::TooManyFields
            | Self::TooManyConnectionOptions
            | Self::TooManyProtocols
            | Self::HeadTooLarge
            | Self::TrailersTooLarge
            | Self::TooManyTrailers => 431,
            Self::MethodTooLong | Self::UnknownTransferCoding => 501,
            Self::Unsolicited | Self::TooManyInformational | Self::UnexpectedSwitch => 502,
            Self::UnsupportedVersion => 505,
            _ => 400,
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Request => "request",
            Self::Response => "response",
        })
    }
}

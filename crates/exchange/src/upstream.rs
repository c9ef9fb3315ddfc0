//! The side that a request goes to.

use std::task::{Context, Poll};

use ripstop_h1::BodyKind;

use crate::{
    Fault, Heard, Http1Client,
    exchange::{Body, Slices},
    failure::{Answered, Sent},
};

/// A request that is sent on, and its answer, whichever HTTP it goes by.
#[derive(Debug)]
pub enum Upstream<'c> {
    /// An HTTP/1.1 connection, for one request.
    Http1(&'c mut Http1Client),
}

impl<'c> Upstream<'c> {
    /// Waits for the next head of an answer.
    pub fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Heard, Fault>> {
        match self {
            Self::Http1(client) => client.poll_head(cx),
        }
    }

    /// The status of the head that [`Self::poll_head`] found last.
    pub fn status(&self) -> u16 {
        match self {
            Self::Http1(client) => client.head().status(),
        }
    }

    /// The fields of the head that [`Self::poll_head`] found last.
    pub fn fields(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        match self {
            Self::Http1(client) => client.head().fields().iter().map(|field| (field.name, field.value)),
        }
    }

    /// Waits for a piece of the answer's body, or for its end.
    pub fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<Body, Fault>> {
        match self {
            Self::Http1(client) => client.poll_body(cx),
        }
    }

    /// What [`Self::poll_body`] found.
    pub fn data(&self) -> Slices<'_> {
        match self {
            Self::Http1(client) => client.data(),
        }
    }

    /// `n` bytes of [`Self::data`] were used.
    pub fn consume(&mut self, n: usize) {
        match self {
            Self::Http1(client) => client.consume(n),
        }
    }

    /// Writes the head of a request of our own.
    pub fn send<'f>(
        &mut self,
        method: &[u8],
        path: &[u8],
        authority: &[u8],
        fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>,
        body: BodyKind,
    ) -> Result<(), Fault> {
        match self {
            Self::Http1(client) => client.send(method, path, authority, fields, body, None),
        }
    }

    /// Sends of `pieces`, a part of the request's body, what can be sent now; gives how much.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, pieces: &Slices<'_>) -> Poll<Result<usize, Fault>> {
        match self {
            Self::Http1(client) => client.poll_send(cx, pieces),
        }
    }

    /// The request's body is complete, with these trailers.
    pub fn end<'f>(&mut self, trailers: impl IntoIterator<Item = (&'f [u8], &'f [u8])>) -> Result<(), Fault> {
        match self {
            Self::Http1(client) => client.end(trailers),
        }
    }

    /// Sends what was written.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        match self {
            Self::Http1(client) => client.poll_flush(cx),
        }
    }

    /// How much of the request was sent, as far as is known.
    pub fn sent(&self) -> Sent {
        match self {
            Self::Http1(client) => client.progress(),
        }
    }

    /// Whether any byte of an answer has come.
    pub(crate) fn answered(&self) -> Answered {
        let heard = match self {
            Self::Http1(client) => client.has_heard(),
        };
        if heard { Answered::Begun } else { Answered::Nothing }
    }

    /// Ends the exchange at once: nobody wants its answer.
    pub fn reset(&mut self) {
        match self {
            Self::Http1(client) => client.reset(),
        }
    }
}

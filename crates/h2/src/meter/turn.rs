//! A request and its response, as far as they came.

use std::time::Instant;

use ripstop_kept::{Detail, Keep, Kept, KeptFields};

use super::messages::Messages;
use crate::{Code, Fields, RequestHead};

/// Bytes of storage that a turn keeps for the next one.
const SMALL: usize = 16 * 1024;

/// A request and its response, whole or as far as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// The stream's id.
    pub stream: u32,
    /// Whether its texts and fields were kept; else they are empty.
    pub detail: Detail,
    /// The method.
    pub method: &'a [u8],
    /// Path and query as they were sent; empty for CONNECT.
    pub path: &'a [u8],
    /// The host with its port, if it has one.
    pub authority: &'a [u8],
    /// Fields of the request that were to be kept.
    pub request: KeptFields<'a>,
    /// Fields of the final response that were to be kept.
    pub response: KeptFields<'a>,
    /// The final status; 0: no response came.
    pub status: u16,
    /// Whether it is a call of gRPC, by the content type of the request.
    pub grpc: bool,
    /// The status of gRPC, from trailers or, if that is all there is, from the head.
    pub grpc_status: Option<u16>,
    /// Data of the request's body, without framing and padding.
    pub request_bytes: u64,
    /// Data of the response's body.
    pub response_bytes: u64,
    /// Frames with the request's head and trailers, as they were on the wire.
    pub request_head_bytes: u64,
    /// Frames with the responses' heads and trailers, as they were on the wire.
    pub response_head_bytes: u64,
    /// Messages of gRPC from the client.
    pub request_messages: u64,
    /// Messages of gRPC from the server.
    pub response_messages: u64,
    /// When the request's head was complete.
    pub started: Instant,
    /// When the final response's head was complete.
    pub answered: Option<Instant>,
    /// When it was over.
    pub ended: Instant,
    /// How it was over.
    pub how: Ended,
}

/// How an exchange was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The response is complete.
    Complete,
    /// The client gave up.
    ResetByClient(Code),
    /// The server gave up.
    ResetByServer(Code),
    /// The connection ended before it.
    Cut,
}

/// An open stream.
#[derive(Debug)]
pub(super) struct Turn {
    stream: u32,
    detail: Detail,
    /// Method, path and authority, one after the other.
    text: Vec<u8>,
    method: usize,
    path: usize,
    kept_request: Kept,
    kept_response: Kept,
    started: Instant,
    status: u16,
    answered: Option<Instant>,
    /// The request is complete.
    pub(super) is_received: bool,
    pub(super) grpc: bool,
    grpc_status: Option<u16>,
    pub(super) request: Traffic,
    pub(super) response: Traffic,
}

/// What went one way.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) wire_head: u64,
    content: u64,
    messages: Messages,
}

// === impl Turn ===

impl Turn {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            stream: 0,
            detail: Detail::Counts,
            text: Vec::new(),
            method: 0,
            path: 0,
            kept_request: Kept::default(),
            kept_response: Kept::default(),
            started: now,
            status: 0,
            answered: None,
            is_received: false,
            grpc: false,
            grpc_status: None,
            request: Traffic::default(),
            response: Traffic::default(),
        }
    }

    /// The request's head; nothing of its texts and fields is kept.
    pub(super) fn begin(&mut self, stream: u32, fields: &Fields, now: Instant) {
        (self.stream, self.detail) = (stream, Detail::Counts);
        self.text.clear();
        (self.method, self.path) = (0, 0);
        self.kept_request.clear();
        self.kept_response.clear();
        (self.started, self.answered, self.status) = (now, None, 0);
        (self.grpc, self.grpc_status) = (is_grpc(fields), None);
        (self.request, self.response) = (Traffic::default(), Traffic::default());
    }

    /// Keeps the texts and chosen fields of the request that has begun.
    pub(super) fn keep(&mut self, head: &RequestHead<'_>, fields: &Fields, keep: Keep) {
        self.detail = Detail::Full;
        let path = head.path.unwrap_or_default();
        for part in [head.method, path, head.authority] {
            self.text.extend_from_slice(part);
        }
        (self.method, self.path) = (head.method.len(), path.len());
        self.kept_request.take(keep.request, |name| fields.get(name));
    }

    /// The final response.
    pub(super) fn answer(&mut self, status: u16, fields: &Fields, keep: Keep, now: Instant) {
        (self.status, self.answered) = (status, Some(now));
        if self.detail == Detail::Full {
            self.kept_response.take(keep.response, |name| fields.get(name));
        }
        self.trailers(fields);
    }

    pub(super) fn is_answered(&self) -> bool {
        self.answered.is_some()
    }

    pub(super) fn trailers(&mut self, fields: &Fields) {
        if self.grpc
            && let Some(status) = fields.get(b"grpc-status").and_then(number)
        {
            self.grpc_status = Some(status);
        }
    }

    pub(super) fn record(&self, keep: Keep, how: Ended, now: Instant) -> Record<'_> {
        let (method, rest) = self.text.split_at(self.method);
        let (path, authority) = rest.split_at(self.path);
        Record {
            stream: self.stream,
            detail: self.detail,
            method,
            path,
            authority,
            request: KeptFields::new(keep.request, &self.kept_request),
            response: KeptFields::new(keep.response, &self.kept_response),
            status: self.status,
            grpc: self.grpc,
            grpc_status: self.grpc_status,
            request_bytes: self.request.content,
            response_bytes: self.response.content,
            request_head_bytes: self.request.wire_head,
            response_head_bytes: self.response.wire_head,
            request_messages: self.request.messages.count,
            response_messages: self.response.messages.count,
            started: self.started,
            answered: self.answered,
            ended: now,
            how,
        }
    }

    /// Whether its storage is worth keeping.
    pub(super) fn is_small(&self) -> bool {
        self.text.capacity() + self.kept_request.storage() + self.kept_response.storage() <= SMALL
    }
}

// === impl Traffic ===

impl Traffic {
    pub(super) fn content(&mut self, bytes: &[u8], grpc: bool) {
        self.content += bytes.len() as u64;
        if grpc {
            self.messages.show(bytes);
        }
    }
}

/// `application/grpc`, and what comes after a `+` or a `;`.
fn is_grpc(fields: &Fields) -> bool {
    let rest = fields.get(b"content-type").and_then(|value| value.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

fn number(digits: &[u8]) -> Option<u16> {
    str::from_utf8(digits).ok()?.parse().ok()
}

//! One CONNECT, from its opening to its answer.

use std::{rc::Rc, sync::LazyLock, task::Poll};

use http::HeaderValue;
use ripstop_h2::{Code, Field, OpenError, StreamRef, hpack::PreEncoded};

use super::{ConnectRequest, dial::Tunnel};
use crate::{
    TunnelError, TunnelStream,
    headers::{BAGGAGE, FORWARDED, TRACEPARENT, X_FORWARDED_NETWORK},
    inbox::{By, Fault, Inbox},
    settings,
    stream::Handle,
    wheel::Timer,
};

/// A stream whose CONNECT is on its way.
pub(super) struct Opened {
    handle: Handle,
    place: Place,
}

/// A place for one stream in a tunnel; others learn when it gets free.
#[derive(Debug)]
pub(crate) struct Place {
    tunnel: Rc<Tunnel>,
}

/// How a CONNECT failed.
pub(super) enum Failed {
    /// The peer did not process it.
    Unprocessed(TunnelError),
    /// Trying again would not help, or not be safe.
    Final(TunnelError),
}

/// What every CONNECT begins with.
static CONNECT: LazyLock<PreEncoded> = LazyLock::new(|| PreEncoded::new([Field::new(b":method", b"CONNECT")]));

impl Opened {
    /// Sends CONNECT through `tunnel`, unless it carries `most` streams.
    pub(super) fn new(tunnel: &Rc<Tunnel>, request: &ConnectRequest, most: usize) -> Result<Self, OpenError> {
        let authority = request.authority.to_string();
        let others = [
            (BAGGAGE, &request.baggage),
            (FORWARDED, &request.forwarded),
            (TRACEPARENT, &request.traceparent),
            (X_FORWARDED_NETWORK, &request.forwarded_network),
        ];
        let others = others.into_iter().filter_map(|(name, value)| Some(Field::new(name, bytes(value.as_ref()?))));
        let fields = std::iter::once(Field::new(b":authority", authority.as_bytes())).chain(others);
        let (stream, inbox): (StreamRef, Rc<Inbox>) = tunnel.link().open(most, &CONNECT, fields)?;
        let handle = Handle { link: tunnel.link().clone(), stream, inbox, code: Code::CANCEL };
        Ok(Self { handle, place: Place { tunnel: tunnel.clone() } })
    }

    pub(super) fn tunnel(&self) -> &Rc<Tunnel> {
        &self.place.tunnel
    }

    /// Waits for the answer.
    pub(super) async fn answer(self, request: &ConnectRequest) -> Result<TunnelStream, Failed> {
        let destination = self.place.tunnel.key().destination;
        let authority = || request.authority.clone();
        let inbox = self.handle.inbox.clone();
        let answered = std::future::poll_fn(|cx| {
            if let Some(answer) = inbox.take_answer() {
                return Poll::Ready(Ok(answer));
            }
            if let Some(fault) = inbox.fault() {
                return Poll::Ready(Err(fault));
            }
            inbox.register_reader(cx);
            Poll::Pending
        });
        let answer = match Timer::within(settings::ANSWER_DEADLINE, answered).await {
            Some(Ok(answer)) => answer,
            Some(Err(fault)) => return Err(self.classify(fault, request)),
            None => return Err(Failed::Final(TunnelError::AnswerTimeout { destination, authority: authority() })),
        };
        if answer.status != 200 {
            let status = answer.status;
            return Err(Failed::Final(TunnelError::Refused { destination, authority: authority(), status }));
        }
        Ok(TunnelStream::new(self.handle, answer.baggage, Some(self.place)))
    }

    fn classify(&self, fault: Fault, request: &ConnectRequest) -> Failed {
        let destination = self.place.tunnel.key().destination;
        let authority = request.authority.clone();
        match fault {
            Fault::Reset { code, by } => {
                let reason = match by {
                    By::Us(reason) => reason.to_owned(),
                    By::Peer | By::Unprocessed => code.to_string(),
                };
                let error = TunnelError::Reset { destination, authority, reason };
                if by == By::Unprocessed { Failed::Unprocessed(error) } else { Failed::Final(error) }
            }
            Fault::Died(source) => Failed::Unprocessed(TunnelError::Lost { destination, authority, source }),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.tunnel.place_is_free();
    }
}

fn bytes(value: &HeaderValue) -> &[u8] {
    value.as_bytes()
}

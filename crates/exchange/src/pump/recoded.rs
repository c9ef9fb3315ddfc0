//! Bodies that are written anew on their way.

use std::task::{Context, Poll};

use super::{Pump, Way, heads, to_http1};
use crate::{
    Fault, Recoding, Upstream,
    exchange::{Body, Slices},
    failure::Party,
    recode::Unreadable,
};

type Moved = Poll<Result<usize, (Party, Fault)>>;

// === impl Pump ===

impl<'p> Pump<'p> {
    /// Has both bodies written anew, to an upstream of HTTP/2. The heads say so, too ([`crate::Framing::Anew`]).
    pub fn recode(&mut self, recoding: &'p mut Recoding) {
        debug_assert!(matches!(self.upstream, Upstream::Http2(_)), "there are no trailers");
        self.recoding = Some(recoding);
    }

    /// Whether the answer's head is all of it: then there is nothing to write anew.
    pub fn is_answered_by_head(&self) -> bool {
        matches!(&self.upstream, Upstream::Http2(call) if call.is_bodiless())
    }

    /// Moves the next piece of the request's body. What waits is what was read first.
    pub(super) fn poll_recoded_request(&mut self, cx: &mut Context<'_>) -> Moved {
        let Some(recoding) = &mut self.recoding else { return Poll::Pending };
        let rest = recoding.up.rest();
        if !rest.is_empty() {
            let rest = Slices::one(rest);
            let n = match self.upstream.poll_send(cx, &rest) {
                Poll::Ready(sent) => sent.map_err(|fault| (Party::Upstream, fault))?,
                Poll::Pending => return Poll::Pending,
            };
            self.replay.keep(&rest, n);
            recoding.up.advance(n);
            self.totals.request_body += n as u64;
            return Poll::Ready(Ok(n));
        }
        match self.downstream.poll_body(cx) {
            Poll::Ready(Ok(Body::Data)) => {
                let data = self.downstream.data();
                for piece in data.as_slice() {
                    recoding.by.request(piece, &mut recoding.up.bytes).map_err(of_client)?;
                }
                let n = data.len();
                self.downstream.consume(n);
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Ok(Body::End)) => {
                recoding.by.end_request().map_err(of_client)?;
                heads::end_request(&self.downstream, &mut self.upstream, self.request_form)?;
                self.replay.end();
                self.request = Way::Flush;
                Poll::Ready(Ok(0))
            }
            Poll::Ready(Err(fault)) => Poll::Ready(Err((Party::Downstream, fault))),
            Poll::Pending => match self.upstream.poll_flush(cx) {
                Poll::Ready(Err(fault)) => Poll::Ready(Err((Party::Upstream, fault))),
                _ => Poll::Pending,
            },
        }
    }

    /// Moves the next piece of the answer's body.
    pub(super) fn poll_recoded_answer(&mut self, cx: &mut Context<'_>) -> Moved {
        let Some(recoding) = &mut self.recoding else { return Poll::Pending };
        let rest = recoding.down.rest();
        if !rest.is_empty() {
            let n = match self.downstream.poll_send(cx, &Slices::one(rest)) {
                Poll::Ready(sent) => sent.map_err(|fault| (Party::Downstream, fault))?,
                Poll::Pending => return Poll::Pending,
            };
            recoding.down.advance(n);
            self.totals.response_body += n as u64;
            return Poll::Ready(Ok(n));
        }
        if recoding.ended {
            self.downstream.end(std::iter::empty()).map_err(|fault| (Party::Downstream, fault))?;
            self.response = Way::Flush;
            return Poll::Ready(Ok(0));
        }
        match self.upstream.poll_body(cx) {
            Poll::Ready(Ok(Body::Data)) => {
                let data = self.upstream.data();
                for piece in data.as_slice() {
                    recoding.by.answer(piece, &mut recoding.down.bytes);
                }
                let n = data.len();
                self.upstream.consume(n);
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Ok(Body::End)) => {
                let trailers = if let Upstream::Http2(call) = &self.upstream { call.trailers() } else { None };
                let ended = recoding.by.end_answer(&mut to_http1::pairs(trailers), &mut recoding.down.bytes);
                ended.map_err(|Unreadable(why)| (Party::Upstream, Fault::Recoding(why)))?;
                recoding.ended = true;
                Poll::Ready(Ok(0))
            }
            Poll::Ready(Err(fault)) => Poll::Ready(Err((Party::Upstream, fault))),
            Poll::Pending => match self.downstream.poll_flush(cx) {
                Poll::Ready(Err(fault)) => Poll::Ready(Err((Party::Downstream, fault))),
                _ => Poll::Pending,
            },
        }
    }
}

fn of_client(Unreadable(why): Unreadable) -> (Party, Fault) {
    (Party::Downstream, Fault::Recoding(why))
}

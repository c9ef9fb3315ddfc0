//! The same request at another server, while the first one has not answered.

use std::task::{Context, Poll};

use tokio::time::Instant;

use super::{Pump, Stage, Way, heads};
use crate::{
    Fault, HeadChanges, Heard, Slices, Upstream,
    failure::{Failure, Party},
    http1::Form,
};

/// A request that another server gets, too, until its answer has come. Dropped, it is reset.
#[derive(Debug)]
pub struct Second<'p> {
    /// Nothing: it is the pump's.
    upstream: Option<Upstream<'p>>,
    request: Way,
    form: Form,
    /// Bytes of the body that were sent.
    sent: usize,
    heard: Option<Heard>,
}

impl<'p> Pump<'p> {
    /// Whether the whole request has gone upstream, is there for others, and has no answer yet.
    pub fn is_repeatable(&self) -> bool {
        self.stage == Stage::Asking
            && self.request == Way::Done
            && self.replay.is_possible()
            && self.recoding.is_none()
            && self.unwritable.is_none()
    }

    /// Writes the request's head for another server, too. Only where the whole request [has gone](Self::is_repeatable)
    /// upstream, and may be sent again. If it can't be written, nothing more is wanted of that server.
    pub fn begin_second(
        &mut self,
        mut upstream: Upstream<'p>,
        changes: &HeadChanges<'_>,
    ) -> Result<Second<'p>, Failure> {
        match heads::request(&mut self.downstream, &mut upstream, changes, self.replay) {
            Ok(begun) => {
                Ok(Second { upstream: Some(upstream), request: Way::Body, form: begun.form, sent: 0, heard: None })
            }
            Err((party, fault)) => {
                let (sent, answered) = (upstream.sent(), upstream.answered());
                upstream.reset();
                Err(Failure { party, fault, sent, answered })
            }
        }
    }

    /// Sends the request to the other server until the final head of its answer is there. What comes before that is not
    /// passed on.
    pub fn poll_second(&mut self, second: &mut Second<'p>, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        let Some(upstream) = &mut second.upstream else { return Poll::Pending };
        let polled = loop {
            let sent = match second.request {
                Way::Done => break Ok(()),
                Way::Flush => match upstream.poll_flush(cx) {
                    Poll::Ready(flushed) => flushed.map(|()| second.request = Way::Done),
                    Poll::Pending => break Ok(()),
                },
                Way::Body => {
                    let rest = self.replay.from(second.sent);
                    if rest.is_empty() {
                        second.request = Way::Flush;
                        heads::end_request(&self.downstream, upstream, second.form).map_err(|(_, fault)| fault)
                    } else {
                        match upstream.poll_send(cx, &Slices::one(rest)) {
                            Poll::Ready(sent) => sent.map(|n| second.sent += n),
                            Poll::Pending => break Ok(()),
                        }
                    }
                }
            };
            if let Err(fault) = sent {
                // It may still have something to say.
                second.request = Way::Done;
                break Err(fault);
            }
        };
        loop {
            match (upstream.poll_head(cx), &polled) {
                (Poll::Ready(Ok(Heard::Informational)), _) => {}
                (Poll::Ready(Ok(Heard::Switch)), _) => return Poll::Ready(Err(second.failed(Fault::Switch))),
                (Poll::Ready(Ok(heard)), _) => {
                    second.heard = Some(heard);
                    return Poll::Ready(Ok(()));
                }
                (Poll::Ready(Err(fault)), _) => return Poll::Ready(Err(second.failed(fault))),
                (Poll::Pending, Ok(())) => return Poll::Pending,
                (Poll::Pending, Err(_)) => break,
            }
        }
        let Err(fault) = polled else { return Poll::Pending };
        Poll::Ready(Err(second.failed(fault)))
    }

    /// Goes on with the answer of the other server, which has come. Nothing more is wanted of the first one.
    pub fn instead(&mut self, mut second: Second<'p>) {
        let Some(upstream) = second.upstream.take() else { return };
        std::mem::replace(&mut self.upstream, upstream).reset();
        self.heard = second.heard;
        self.stage = Stage::Answered;
        self.totals.answered = Some(Instant::now());
    }

    /// Waits until the client has gone, while others than the first server are asked.
    pub fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<Failure> {
        match self.downstream.poll_gone(cx) {
            Poll::Ready(fault) => Poll::Ready(self.failure(Party::Downstream, fault)),
            Poll::Pending => Poll::Pending,
        }
    }
}

// === impl Second ===

impl<'p> Second<'p> {
    /// The other server, whose head can be looked at once it has answered.
    pub fn upstream(&self) -> Option<&Upstream<'p>> {
        self.upstream.as_ref()
    }

    fn failed(&self, fault: Fault) -> Failure {
        let upstream = self.upstream.as_ref();
        let sent = upstream.map_or(crate::Sent::Nothing, Upstream::sent);
        let answered = upstream.map_or(crate::Answered::Nothing, Upstream::answered);
        Failure { party: Party::Upstream, fault, sent, answered }
    }
}

impl Drop for Second<'_> {
    fn drop(&mut self) {
        if let Some(upstream) = &mut self.upstream {
            upstream.reset();
        }
    }
}

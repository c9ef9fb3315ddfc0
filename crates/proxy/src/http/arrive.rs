//! Connections to an enrolled workload whose policies look at requests: what they carry decides how they are judged.

mod secured;

use std::{
    future::poll_fn,
    io::{self, IoSlice},
    pin::pin,
    rc::Rc,
    time::{Duration, Instant},
};

use ripstop_exchange::{HalfClose, Io};
use ripstop_h2::Farewell;
use ripstop_telemetry::Direction;
use ripstop_tls::Buffer;
use ripstop_tunnel::Seldom;
use tokio::{io::AsyncWriteExt, select, time::timeout};

pub use self::secured::{Came, Secured};
use super::{
    connection::{self, Ends, Version},
    detect::{Silence, Spoken, detect},
    inbound::Inbound,
};
use crate::{
    connections::{Facts, Judged, until_revoked},
    error::Error,
    far_end::{FarEnd, Onlooker},
    record::Parties,
    refuse,
    takeover::Heard,
    to_application::ToApplication,
    worker::Context,
};

/// A connection that was let in as far as its transport goes.
pub struct Arrived {
    /// When it came.
    pub since: Instant,
    /// Who calls whom.
    pub facts: Facts,
    /// The same, for records.
    pub parties: Parties,
    /// The client's connection.
    pub stream: Io,
}

/// How long a client may be silent at first. Longer, it takes the place of others, who may be let in.
const FIRST_BYTES: Duration = Duration::from_secs(60);
/// How long a client that is sent away may stay.
const FAREWELL: Duration = Duration::from_secs(5);

impl Arrived {
    /// Carries it to its end. While its client is silent, nothing is said for it to the application.
    pub async fn carry(mut self, context: &Rc<Context>) {
        let mut read = Buffer::default();
        let (registered, revoked) = context.connections.register(self.facts.clone());
        let spoken = select! {
            biased;
            spoken = timeout(FIRST_BYTES, detect(&mut self.stream, &mut read, Silence::Waits)) => {
                let Ok(spoken) = spoken else { return self.reset() };
                spoken
            }
            _ = revoked => return self.reset(),
            () = self.facts.workload.gone.cancelled() => return self.reset(),
        };
        drop(registered);
        let version = match spoken {
            Ok(Spoken::Http1) => Version::Http1,
            Ok(Spoken::Http2) => Version::Http2,
            Ok(Spoken::Tls(_) | Spoken::Other | Spoken::Silent) => {
                return Box::pin(self.opaque(context, read)).await;
            }
            Err(error) => return tracing::debug!(%error, "a connection failed before it said anything"),
        };
        self.requests(context, read, version).await;
    }

    /// Goes on with one that was relayed unread, of which `heard` was heard.
    pub async fn take_over(mut self, context: &Rc<Context>, heard: Heard) {
        self.facts.judged = Judged::Requests;
        // What it was before is told of already.
        self.since = Instant::now();
        match heard {
            Heard::Nothing => self.carry(context).await,
            Heard::Http1 => self.requests(context, Buffer::default(), Version::Http1).await,
            Heard::Http2(farewell) => {
                let workload = self.facts.workload.clone();
                select! {
                    biased;
                    _ = timeout(FAREWELL, send_away(&mut self.stream, farewell)) => {}
                    () = workload.gone.cancelled() => {}
                }
            }
        }
    }

    async fn requests(self, context: &Rc<Context>, read: Buffer, version: Version) {
        let Self { since, facts, parties, stream } = self;
        let told = parties.clone();
        let (_registered, revoked) = context.connections.register(facts.clone());
        let workload = facts.workload.clone();
        let server = Rc::new(Inbound::new(context.clone(), facts, parties, version));
        let settings = workload.connection_settings(&context.shared.snapshot.load());
        let ends = Ends { drain: context.shared.draining.clone(), half_close: HalfClose::Listens, settings };
        let stream = stream.with_read(read);
        let ended = pin!(Seldom::new(async {
            select! {
                biased;
                error = until_revoked(revoked) => Some(error),
                () = workload.gone.cancelled() => None,
            }
        }));
        select! {
            biased;
            () = connection::serve(server, stream, version, ends) => {}
            error = ended => {
                let version = context.shared.snapshot.load().version();
                error.inspect(|error| told.failed(context, since, version, error));
            }
        }
    }

    /// It carries something else than requests, and is judged so.
    async fn opaque(mut self, context: &Rc<Context>, read: Buffer) {
        self.facts.judged = Judged::Opaque;
        let program = context.shared.snapshot.load_full();
        let version = program.version();
        if let Some(error) = self.facts.judge(&program, &context.shared.policy_counts) {
            self.parties.failed(context, self.since, version, &error);
            return self.reset();
        }
        let workload = self.facts.workload.clone();
        let to = ToApplication::of(&program, &self.facts);
        let first = match to.connect(context, &workload).await {
            Ok(mut application) => application
                .write_all(read.filled())
                .await
                .map(|()| application)
                .map_err(|error| Error::Relay(error.to_string())),
            Err(error) => Err(error),
        };
        let application = match first {
            Ok(application) => application,
            Err(error) => {
                self.parties.failed(context, self.since, version, &error);
                return self.reset();
            }
        };
        let ahead = read.len() as u64;
        drop(read);
        let (_registered, revoked) = context.connections.register(self.facts.clone());
        if let Some(error) = self.facts.refusal_since(&program, &context.shared.snapshot.load()) {
            self.parties.failed(context, self.since, version, &error);
            return self.reset();
        }
        drop(program);
        let far_end = FarEnd::from(self.stream);
        let measured = self.parties.open(context);
        let over = to.over(&application);
        let over = async {
            select! {
                error = until_revoked(revoked) => error,
                error = over => error,
            }
        };
        let ((sent, received), ended) = far_end
            .relay(application, &workload.gone, &measured.series, Direction::Inbound, over, Onlooker::Nobody)
            .await;
        let bytes = (sent, received + ahead);
        measured.close(context, &self.parties, self.since, version, bytes, ended.err().as_ref());
    }

    fn reset(self) {
        match self.stream {
            Io::Tcp(stream) => refuse::refuse_plaintext(stream),
            mut other => other.reset_on_drop(),
        }
    }
}

/// Tells a client of HTTP/2 which request was the last one that was heard, and waits until it has gone.
async fn send_away(stream: &mut Io, farewell: Farewell) -> io::Result<()> {
    let frames = farewell.frames();
    let mut said = 0;
    while said < frames.len() {
        said += match poll_fn(|cx| stream.poll_write_vectored(cx, &[IoSlice::new(&frames[said..])])).await? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => n,
        };
    }
    poll_fn(|cx| stream.poll_shutdown(cx)).await?;
    // What it has asked meanwhile it asks anew, elsewhere.
    let mut ignored = Buffer::default();
    while poll_fn(|cx| stream.poll_read(cx, &mut ignored)).await? > 0 {
        ignored.consume(ignored.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests;

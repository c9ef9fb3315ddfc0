//! The task that owns a tunnel: it reads, decrypts and hands out; encrypts and writes; pings, and ends it.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll, ready},
};

use ripstop_h2::ConnectionError;
use tokio::time::Instant;

use crate::{
    error::TunnelError,
    keepalive::{Action, Keepalive},
    link::Link,
    settings,
    transport::Transport,
    wheel::Timer,
};

/// A tunnel's connection and what keeps it alive.
#[derive(Debug)]
pub(crate) struct Owner {
    link: Link,
    transport: Box<Transport>,
    keepalive: Keepalive,
    timer: Timer,
    heard: bool,
    /// It has been polled.
    begun: bool,
    /// Nothing can be sent any more.
    unwritable: bool,
    /// How the tunnel ends, once that is clear: then the peer hears the last words.
    ending: Option<Result<(), TunnelError>>,
}

/// Whether the other end is there to hear last words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Listens,
    Gone,
}

/// What the two sides do differently.
pub(crate) trait Duty {
    /// After something was received.
    fn received(&mut self, link: &Link);

    /// When a timer was due; gives the latest time of the next.
    fn look(&mut self, link: &Link, now: Instant) -> Option<Instant>;

    /// Why the tunnel has to end at once, with its streams.
    fn distrusts(&mut self, cx: &mut Context<'_>) -> Poll<String>;

    /// Whether the tunnel should end as soon as it has no streams.
    fn is_closing(&mut self, link: &Link, cx: &mut Context<'_>) -> bool;
}

impl Owner {
    pub(crate) fn new(link: Link, transport: Box<Transport>) -> Self {
        let keepalive = Keepalive::new(settings::PING_AFTER, settings::PING_DEADLINE, Instant::now());
        Self {
            link,
            transport,
            keepalive,
            timer: Timer::default(),
            heard: false,
            begun: false,
            unwritable: false,
            ending: None,
        }
    }

    /// Runs the tunnel to its end. Streams that are left learn of it as soon as it is clear.
    pub(crate) async fn run(mut self, mut duty: impl Duty) -> Result<(), TunnelError> {
        let first = duty.look(&self.link, Instant::now());
        self.arm(first);
        std::future::poll_fn(|cx| self.poll(cx, &mut duty)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>, duty: &mut impl Duty) -> Poll<Result<(), TunnelError>> {
        if self.ending.is_none() {
            let (result, peer) = ready!(self.work(cx, duty));
            // Why it ends, for the peer; what can't be sealed any more is not said.
            let transport = &mut self.transport;
            while self.link.flush(|output| transport.seal(output)).unwrap_or(false) {}
            self.link.end(why(&result));
            duty.received(&self.link);
            if peer == Peer::Gone {
                let _ = self.transport.poll_write(cx);
                return Poll::Ready(result);
            }
            self.timer.set(Instant::now() + settings::PING_DEADLINE);
            self.ending = Some(result);
        }
        // The peer may read nothing, or never close its side: it gets as long as for an answer to a PING.
        if self.timer.poll(cx).is_pending() {
            // Nobody waits for how that went.
            let _ = ready!(self.transport.poll_close(cx));
        }
        Poll::Ready(self.ending.take().unwrap_or(Ok(())))
    }

    /// Moves what can be moved, until it is clear how the tunnel ends.
    fn work(&mut self, cx: &mut Context<'_>, duty: &mut impl Duty) -> Poll<(Result<(), TunnelError>, Peer)> {
        self.link.register_owner(cx);
        // Before anything of the peer is passed on.
        if let Poll::Ready(reason) = duty.distrusts(cx) {
            self.link.close();
            return Poll::Ready((Err(TunnelError::Distrusted { reason }), Peer::Listens));
        }
        match self.receive(cx, duty) {
            Ok(true) => {}
            Ok(false) => return Poll::Ready((Ok(()), Peer::Listens)),
            Err(error) => return Poll::Ready((Err(error), Peer::Listens)),
        }
        if let Err(error) = self.tick(cx, duty) {
            return Poll::Ready((Err(error), Peer::Gone));
        }
        if !self.unwritable && self.write(cx).is_err() {
            // The peer has gone. Whatever it said before is still there to be read, and behind it, why.
            self.unwritable = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if duty.is_closing(&self.link, cx) && self.link.active() == 0 {
            self.link.drain();
            return Poll::Ready((Ok(()), Peer::Listens));
        }
        Poll::Pending
    }

    /// Reads once; false at the end. More is read after the streams had their turn, so that they need not queue it.
    fn receive(&mut self, cx: &mut Context<'_>, duty: &mut impl Duty) -> Result<bool, TunnelError> {
        if !std::mem::replace(&mut self.begun, true) {
            // With the last flight of the handshake something may have come already.
            self.hand_out(duty).map_err(|error| protocol(&error))?;
        }
        while let Poll::Ready(received) = self.transport.poll_receive(cx) {
            let open = received.map_err(serve)?;
            self.heard = true;
            self.hand_out(duty).map_err(|error| protocol(&error))?;
            if !open {
                let end = io::Error::new(io::ErrorKind::ConnectionReset, "the peer closed the tunnel");
                return if self.link.active() == 0 { Ok(false) } else { Err(serve(end)) };
            }
            if self.transport.has_more() {
                cx.waker().wake_by_ref();
                break;
            }
        }
        Ok(true)
    }

    fn hand_out(&mut self, duty: &mut impl Duty) -> Result<(), ConnectionError> {
        let plain = self.transport.plain();
        let result = if plain.is_empty() { Ok(()) } else { self.link.receive(&plain) };
        drop(plain);
        self.transport.taken();
        duty.received(&self.link);
        result
    }

    /// Encrypts and writes until nothing is left or the socket is full.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        loop {
            if self.transport.poll_write(cx)?.is_pending() {
                return Ok(());
            }
            let transport = &mut self.transport;
            if !self.link.flush(|output| transport.seal(output))? {
                return Ok(());
            }
        }
    }

    fn tick(&mut self, cx: &mut Context<'_>, duty: &mut impl Duty) -> Result<(), TunnelError> {
        while self.timer.poll(cx).is_ready() {
            let now = Instant::now();
            if self.link.known_limit().is_none() {
                // TLS was made, but nobody speaks HTTP/2.
                return Err(serve(io::ErrorKind::TimedOut.into()));
            }
            match self.keepalive.tick(now, std::mem::take(&mut self.heard)) {
                Action::Wait => {}
                Action::Ping => self.link.ping(*b"ripstop?"),
                Action::GiveUp => return Err(TunnelError::Silent),
            }
            let next = duty.look(&self.link, now);
            self.arm(next);
        }
        Ok(())
    }

    fn arm(&mut self, other: Option<Instant>) {
        let deadline = self.keepalive.deadline();
        self.timer.set(other.map_or(deadline, |other| other.min(deadline)));
    }
}

pub(crate) fn serve(error: io::Error) -> TunnelError {
    TunnelError::Serve { source: Arc::new(error) }
}

/// What streams are told that are left.
fn why(result: &Result<(), TunnelError>) -> Arc<io::Error> {
    match result {
        Ok(()) => Arc::new(io::Error::new(io::ErrorKind::ConnectionAborted, "the tunnel was closed")),
        Err(TunnelError::Serve { source }) => source.clone(),
        Err(error) => Arc::new(io::Error::new(io::ErrorKind::ConnectionReset, error.to_string())),
    }
}

fn protocol(error: &ConnectionError) -> TunnelError {
    serve(io::Error::new(io::ErrorKind::ConnectionAborted, error.to_string()))
}

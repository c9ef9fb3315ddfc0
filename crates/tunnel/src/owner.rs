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
    /// How the tunnel ends, once it does: the last words are still to be written.
    ending: Option<Result<(), TunnelError>>,
}

/// What the two sides do differently.
pub(crate) trait Duty {
    /// After something was received.
    fn received(&mut self, link: &Link);

    /// When a timer was due; gives the latest time of the next.
    fn look(&mut self, link: &Link, now: Instant) -> Option<Instant>;

    /// Whether the tunnel should end as soon as it has no streams.
    fn is_closing(&mut self, link: &Link, cx: &mut Context<'_>) -> bool;
}

impl Owner {
    pub(crate) fn new(link: Link, transport: Box<Transport>) -> Self {
        let keepalive = Keepalive::new(settings::PING_AFTER, settings::PING_DEADLINE, Instant::now());
        Self { link, transport, keepalive, timer: Timer::default(), heard: false, ending: None }
    }

    /// Runs the tunnel to its end. Streams that are left then learn of it.
    pub(crate) async fn run(mut self, mut duty: impl Duty) -> Result<(), TunnelError> {
        let first = duty.look(&self.link, Instant::now());
        self.arm(first);
        // With the last flight of the handshake something may have come already.
        let mut result = self.hand_out(&mut duty).map_err(|error| protocol(&error));
        if result.is_ok() {
            result = std::future::poll_fn(|cx| self.poll(cx, &mut duty)).await;
        }
        let why: Arc<io::Error> = match &result {
            Ok(()) => Arc::new(io::Error::new(io::ErrorKind::ConnectionAborted, "the tunnel was closed")),
            Err(TunnelError::Serve { source }) => source.clone(),
            Err(error) => Arc::new(io::Error::new(io::ErrorKind::ConnectionReset, error.to_string())),
        };
        self.link.end(why);
        result
    }

    fn poll(&mut self, cx: &mut Context<'_>, duty: &mut impl Duty) -> Poll<Result<(), TunnelError>> {
        self.link.register_owner(cx);
        if self.ending.is_none()
            && let Err(error) = self.receive(cx, duty)
        {
            self.ending = Some(Err(error));
        }
        if self.ending.is_none()
            && let Err(error) = self.tick(cx, duty)
        {
            self.ending = Some(Err(error));
        }
        let written = self.write(cx);
        if let Err(error) = written {
            // Why it ended comes first.
            return Poll::Ready(self.ending.take().unwrap_or_else(|| Err(serve(error))));
        }
        if self.ending.is_none() && duty.is_closing(&self.link, cx) && self.link.active() == 0 {
            self.link.drain();
            self.ending = Some(Ok(()));
            // GOAWAY.
            if let Err(error) = self.write(cx) {
                return Poll::Ready(Err(serve(error)));
            }
        }
        if self.ending.is_none() {
            return Poll::Pending;
        }
        // The peer may be gone, or read nothing: it gets as long as for an answer to a PING.
        if self.timer.poll(cx).is_pending() {
            // Nobody waits for how that went.
            let _ = ready!(self.transport.poll_close(cx));
        }
        Poll::Ready(self.ending.take().unwrap_or(Ok(())))
    }

    /// Reads once. More is read after the streams had their turn, so that they need not queue it.
    fn receive(&mut self, cx: &mut Context<'_>, duty: &mut impl Duty) -> Result<(), TunnelError> {
        while let Poll::Ready(received) = self.transport.poll_receive(cx) {
            let open = received.map_err(serve)?;
            self.heard = true;
            self.hand_out(duty).map_err(|error| protocol(&error))?;
            if !open {
                if self.link.active() > 0 {
                    let end = io::Error::new(io::ErrorKind::ConnectionReset, "the peer closed the tunnel");
                    return Err(serve(end));
                }
                self.ending = Some(Ok(()));
                return Ok(());
            }
            if self.transport.has_more() {
                cx.waker().wake_by_ref();
                break;
            }
        }
        Ok(())
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

fn protocol(error: &ConnectionError) -> TunnelError {
    serve(io::Error::new(io::ErrorKind::ConnectionAborted, error.to_string()))
}

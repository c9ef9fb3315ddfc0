//! The task of a connection: it reads and hands out, and writes what the streams say.

use std::{
    future::Future,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use ripstop_h2::{Code, Config, Role};
use ripstop_tls::Buffer;
use ripstop_tunnel::Timer;
use tokio::time::Instant;

use super::{core::Shared, storage};
use crate::{Fault, Io};

/// The future that carries an HTTP/2 connection: whoever makes the connection spawns it on the same thread, or polls it
/// beside the streams. It ends with the connection; dropped, it ends the connection at once.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[must_use = "a connection does nothing unless it is driven"]
pub struct Http2Driver {
    shared: Shared,
    io: Io,
    /// What was read last. Streams that have not passed on their parts of it share it.
    plain: Rc<Buffer>,
    timer: Timer,
    options: Rc<Http2Options>,
    heard: bool,
    pinged: bool,
    /// Nothing can be sent any more.
    unwritable: bool,
    read_ended: bool,
    armed: bool,
    /// Nobody wants it any more, and the peer was told so.
    drained: bool,
    /// Since when no stream is open, as far as was looked.
    idle: Option<Instant>,
    ending: Option<Ending>,
}

/// What a connection of HTTP/2 offers and puts up with.
#[derive(Clone, Debug)]
pub struct Http2Options {
    /// Of the protocol.
    pub config: Config,
    /// Silence after which a PING is sent. Default 30 s.
    pub ping_after: Duration,
    /// What the peer gets to answer it, to send its first SETTINGS, and to close its side in the end. Default 20 s.
    pub patience: Duration,
    /// How long a connection may be without streams, `ping_after` more or less. Default 5 min.
    pub idle: Duration,
}

#[derive(Debug)]
struct Ending {
    result: Result<(), Fault>,
    shut: bool,
}

// === impl Http2Driver ===

impl Http2Driver {
    pub(super) fn new(shared: Shared, io: Io, options: Rc<Http2Options>) -> Self {
        Self {
            shared,
            io,
            plain: Rc::default(),
            timer: Timer::default(),
            options,
            heard: false,
            pinged: false,
            unwritable: false,
            read_ended: false,
            armed: false,
            drained: false,
            idle: None,
            ending: None,
        }
    }

    /// Moves what can be moved; ready once it is clear how the connection ends.
    fn work(&mut self, cx: &mut Context<'_>) -> Poll<(Result<(), Fault>, Code)> {
        self.shared.register_driver(cx);
        if !std::mem::replace(&mut self.armed, true) {
            self.timer.set(Instant::now() + self.options.patience);
        }
        if let Err(ended) = self.read(cx) {
            return Poll::Ready(ended);
        }
        if let Err(fault) = self.tick(cx) {
            return Poll::Ready((Err(fault), Code::NO_ERROR));
        }
        // One in a tunnel that is left takes no further requests either: they go by another tunnel.
        if !self.drained && (self.shared.is_left() || self.io.is_leaving()) {
            self.drained = true;
            self.shared.drain();
        }
        if !self.unwritable && self.write(cx).is_err() {
            // The peer has gone. Whatever it said before is still there to be read, and behind it, why.
            self.unwritable = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.shared.is_finished() || self.read_ended && self.shared.active() == 0 {
            return Poll::Ready((Ok(()), Code::NO_ERROR));
        }
        Poll::Pending
    }

    /// Reads what there is, a buffer at a time: more is read after the streams had their turn, so that they need not queue
    /// it.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<(), (Result<(), Fault>, Code)> {
        while !self.read_ended {
            if Rc::get_mut(&mut self.plain).is_none() {
                self.plain = Rc::default();
            }
            // Nobody else has it now.
            let Some(plain) = Rc::get_mut(&mut self.plain) else { return Ok(()) };
            match self.io.poll_read(cx, plain) {
                Poll::Pending => break,
                Poll::Ready(Err(error)) => return Err((Err(error.into()), Code::NO_ERROR)),
                Poll::Ready(Ok(0)) => {
                    self.read_ended = true;
                    return self.shared.end_of_input().map_err(|error| (Err(Fault::Gone), error.code));
                }
                Poll::Ready(Ok(_)) => {}
            }
            self.heard = true;
            let full = plain.room() == 0;
            let result = self.shared.receive(&self.plain);
            match Rc::get_mut(&mut self.plain) {
                Some(plain) => plain.consume(plain.len()),
                // Streams still need it.
                None => self.plain = Rc::default(),
            }
            result.map_err(|error| {
                let source = io::Error::new(io::ErrorKind::InvalidData, error.to_string());
                (Err(Fault::Io(source)), error.code)
            })?;
            if full {
                cx.waker().wake_by_ref();
                break;
            }
        }
        Ok(())
    }

    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let io = &mut self.io;
        if let Poll::Ready(result) = self.shared.poll_write(cx, |cx, slices| io.poll_write_vectored(cx, slices)) {
            result?;
        }
        match self.io.poll_flush(cx) {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(()),
        }
    }

    /// Asks a silent peer whether it is there, and gives it up if it does not answer.
    fn tick(&mut self, cx: &mut Context<'_>) -> Result<(), Fault> {
        while self.timer.poll(cx).is_ready() {
            if !self.shared.is_settled() {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not speak HTTP/2").into());
            }
            let heard = std::mem::take(&mut self.heard);
            self.look(Instant::now());
            let wait = match (heard, self.pinged) {
                (false, true) => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the peer does not answer PING").into());
                }
                (false, false) => {
                    self.pinged = true;
                    self.shared.ping();
                    self.options.patience
                }
                (true, _) => {
                    self.pinged = false;
                    self.options.ping_after
                }
            };
            self.timer.set(Instant::now() + wait);
        }
        Ok(())
    }

    /// Lets a connection go that nobody uses.
    fn look(&mut self, now: Instant) {
        if self.shared.active() > 0 {
            self.idle = None;
        } else if now.duration_since(*self.idle.get_or_insert(now)) >= self.options.idle {
            self.shared.drain();
        }
    }

    /// Says the last words, ends our side, and waits until the peer has ended its own.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.unwritable {
            return Poll::Ready(());
        }
        let Some(ending) = &mut self.ending else { return Poll::Ready(()) };
        if !ending.shut {
            let io = &mut self.io;
            if ready!(self.shared.poll_write(cx, |cx, slices| io.poll_write_vectored(cx, slices))).is_err()
                || ready!(self.io.poll_flush(cx)).is_err()
                || ready!(self.io.poll_shutdown(cx)).is_err()
            {
                return Poll::Ready(());
            }
            ending.shut = true;
        }
        let mut rest = Buffer::default();
        while !self.read_ended {
            match ready!(self.io.poll_read(cx, &mut rest)) {
                Ok(0) | Err(_) => self.read_ended = true,
                Ok(n) => rest.consume(n),
            }
        }
        Poll::Ready(())
    }
}

impl Future for Http2Driver {
    type Output = Result<(), Fault>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.ending.is_none() {
            let (result, code) = ready!(this.work(cx));
            this.shared.end(code);
            this.timer.set(Instant::now() + this.options.patience);
            this.ending = Some(Ending { result, shut: false });
        }
        // The peer may read nothing, or never close its side.
        if this.timer.poll(cx).is_pending() {
            ready!(this.poll_close(cx));
        }
        Poll::Ready(this.ending.take().map_or(Ok(()), |ending| ending.result))
    }
}

impl Drop for Http2Driver {
    fn drop(&mut self) {
        self.shared.end(Code::NO_ERROR);
    }
}

// === impl Http2Options ===

impl Http2Options {
    /// What a connection needs as one of `role`.
    pub(super) fn config(&self, role: Role) -> Config {
        let mut config = self.config.clone();
        config.connect_protocol &= role == Role::Server;
        config
    }
}

impl Default for Http2Options {
    fn default() -> Self {
        let config = Config {
            output: storage::OUTPUT,
            connect_protocol: true,
            refusals: ripstop_h2::Refusals::Answer,
            ..Config::default()
        };
        Self {
            config,
            ping_after: Duration::from_secs(30),
            patience: Duration::from_secs(20),
            idle: Duration::from_secs(300),
        }
    }
}

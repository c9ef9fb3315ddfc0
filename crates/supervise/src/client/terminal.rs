//! The user's terminal while a workload has a pseudo terminal of its own.

use std::{
    io::{self, Read as _, Write as _},
    os::fd::OwnedFd,
    time::Duration,
};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::unix::pipe,
    sync::mpsc,
};

use crate::{Error, Result};

/// Raw mode of standard input, until it is dropped.
pub(super) struct Raw(Termios);

/// Carries bytes between the user's terminal and the workload's.
pub(super) struct Relay {
    reader: pipe::Receiver,
    writer: pipe::Sender,
    input: mpsc::Receiver<Vec<u8>>,
    typed: Vec<u8>,
}

/// Typed pieces that wait for a workload that does not read.
const PENDING_INPUT: usize = 16;
/// How long the last output may take to arrive.
const DRAIN: Duration = Duration::from_millis(500);

// === impl Raw ===

impl Raw {
    pub(super) fn enter() -> Result<Self> {
        let wrong = || Error::system("put the terminal into raw mode");
        let before = tcgetattr(io::stdin()).map_err(wrong())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw).map_err(wrong())?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _no_terminal_any_more = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

// === impl Relay ===

impl Relay {
    pub(super) fn start(master: OwnedFd) -> Result<Self> {
        let wrong = || Error::system("open the workload's terminal");
        rustix::io::ioctl_fionbio(&master, true).map_err(Error::system("open the workload's terminal"))?;
        // Not pipes, but read, written and polled like them.
        let writer = master.try_clone().and_then(pipe::Sender::from_owned_fd_unchecked).map_err(wrong())?;
        let reader = pipe::Receiver::from_owned_fd_unchecked(master).map_err(wrong())?;
        let (typed, input) = mpsc::channel(PENDING_INPUT);
        // Ends with standard input, or with the process: a waiting read cannot be taken back. A thread
        // of its own, as a runtime would wait for it.
        let read = move || {
            let mut stdin = io::stdin().lock();
            let mut buffer = vec![0; 4096];
            while let Ok(length @ 1..) = stdin.read(&mut buffer) {
                if typed.blocking_send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("ripstop-terminal".into())
            .spawn(read)
            .map_err(Error::system("read the terminal"))?;
        Ok(Self { reader, writer, input, typed: Vec::new() })
    }

    /// Carries until the workload's side is closed. Cancelling loses nothing.
    pub(super) async fn run(&mut self) {
        let mut input_open = true;
        let mut shown = [0; 8192];
        loop {
            let idle = self.typed.is_empty();
            tokio::select! {
                read = self.reader.read(&mut shown) => match read {
                    // A terminal whose other side is closed fails with EIO.
                    Ok(0) | Err(_) => return,
                    Ok(length) => show(&shown[..length]),
                },
                written = self.writer.write(&self.typed), if !idle => match written {
                    Ok(length) => drop(self.typed.drain(..length)),
                    Err(_) => return,
                },
                typed = self.input.recv(), if idle && input_open => match typed {
                    Some(typed) => self.typed = typed,
                    None => input_open = false,
                },
            }
        }
    }

    /// Shows what is still on its way after the end.
    pub(super) async fn drain(&mut self) {
        self.typed.clear();
        let _all_or_late = tokio::time::timeout(DRAIN, self.run()).await;
    }
}

/// Rows and columns of the user's terminal.
pub(super) fn window_size() -> Option<(u16, u16)> {
    tcgetwinsize(io::stdout()).ok().map(|size| (size.ws_row, size.ws_col))
}

fn show(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    let _nobody_looks = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

//! `ripstop run`, the client's side.

use std::{future::pending, io::IsTerminal as _, os::fd::AsFd as _, time::Duration};

use ripstop_net::{
    process::{Pty, open_pty},
    scm::send_with_fds,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, Interest},
    net::UnixStream,
    signal::unix::{Signal, SignalKind, signal},
};

use super::{
    connect,
    terminal::{Raw, Relay, window_size},
};
use crate::{
    Error, MeshHandle, Result,
    run_protocol::{Exit, FromClient, GREETING, Lines, RunRequest, ToClient, line},
};

const PEER: &str = "the mesh";
/// Longest wait until the workload runs: the mesh itself waits 20 s until it may, and 20 s for a spawn.
const START_DEADLINE: Duration = Duration::from_secs(45);
/// Signals that are passed on: HUP, INT, QUIT, USR1, USR2, TERM.
const FORWARDED: [i32; 6] = [1, 2, 3, 10, 12, 15];

/// Runs `request` inside the mesh with this process' standard streams and signals, and gives how it
/// ended. `started` hears the name of the instance.
///
/// When standard input and output are a terminal the workload gets a pseudo terminal of its own, so
/// that job control and Ctrl-C work in it, and this terminal is in raw mode until the end; `tty` of
/// the request is set accordingly. A read of standard input may then still be waiting: leave with
/// [`std::process::exit`].
pub async fn run(mesh: &MeshHandle, mut request: RunRequest, started: impl FnOnce(&str)) -> Result<Exit> {
    let mut stream = connect(mesh)?;
    request.tty = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let mut signals = forwarded_signals()?;
    let mut resized = signal(SignalKind::window_change()).map_err(Error::system("listen for signals"))?;
    let pty = if request.tty { Some(open_pty().map_err(Error::system("open a pseudo terminal"))?) } else { None };
    greet(&mut stream, pty.as_ref(), &request).await?;

    let mut lines = Lines::default();
    let deadline = tokio::time::Instant::now() + START_DEADLINE;
    let first = loop {
        tokio::select! {
            first = tokio::time::timeout_at(deadline, next(&mut stream, &mut lines)) => break first,
            // It may wait for its sidecar.
            number = next_signal(&mut signals) => say(&mut stream, FromClient::Signal(number)).await?,
        }
    };
    match first.map_err(|_| Error::Timeout(PEER, START_DEADLINE.as_secs()))?? {
        ToClient::Started { instance, .. } => started(&instance),
        ToClient::Exit(exit) => return Ok(exit),
        ToClient::Error { message } => return Err(Error::Refused { status: 500, message }),
    }
    // From here on the terminal belongs to the workload.
    let (raw, mut relay) = match pty {
        Some(Pty { master, terminal }) => {
            drop(terminal);
            (Some(Raw::enter()?), Some(Relay::start(master)?))
        }
        None => (None, None),
    };
    if raw.is_some() {
        resize(&mut stream).await?;
    }
    loop {
        let relaying = async {
            match &mut relay {
                Some(relay) => relay.run().await,
                None => pending().await,
            }
        };
        tokio::select! {
            message = next(&mut stream, &mut lines) => match message? {
                ToClient::Exit(exit) => {
                    if let Some(relay) = &mut relay {
                        relay.drain().await;
                    }
                    return Ok(exit);
                }
                ToClient::Error { message } => return Err(Error::Refused { status: 500, message }),
                ToClient::Started { .. } => {}
            },
            number = next_signal(&mut signals) => say(&mut stream, FromClient::Signal(number)).await?,
            _ = resized.recv(), if raw.is_some() => resize(&mut stream).await?,
            // The workload closed its terminal; its exit comes next.
            () = relaying => relay = None,
        }
    }
}

async fn greet(stream: &mut UnixStream, pty: Option<&Pty>, request: &RunRequest) -> Result<()> {
    let wrong = || Error::system("ask the mesh for a run");
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let fds = match pty {
        Some(pty) => [pty.terminal.as_fd(), pty.terminal.as_fd(), pty.terminal.as_fd()],
        None => [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()],
    };
    {
        let stream = &*stream;
        stream.async_io(Interest::WRITABLE, || send_with_fds(stream, GREETING, &fds)).await.map_err(wrong())?;
    }
    stream.write_all(&line(request)?).await.map_err(wrong())
}

async fn next(stream: &mut UnixStream, lines: &mut Lines) -> Result<ToClient> {
    let mut buffer = [0; 1024];
    loop {
        if let Some(message) = lines.next()? {
            return Ok(message);
        }
        match stream.read(&mut buffer).await.map_err(Error::system("hear from the mesh"))? {
            0 => return Err(Error::protocol(PEER, "it is gone, and the workload with it")),
            length => lines.push(&buffer[..length])?,
        }
    }
}

async fn say(stream: &mut UnixStream, message: FromClient) -> Result<()> {
    stream.write_all(&line(&message)?).await.map_err(Error::system("tell the mesh"))
}

async fn resize(stream: &mut UnixStream) -> Result<()> {
    match window_size() {
        Some((rows, columns)) => say(stream, FromClient::Winsize(rows, columns)).await,
        None => Ok(()),
    }
}

fn forwarded_signals() -> Result<Vec<(i32, Signal)>> {
    let listen = |number: &i32| {
        let listener = signal(SignalKind::from_raw(*number)).map_err(Error::system("listen for signals"))?;
        Ok((*number, listener))
    };
    FORWARDED.iter().map(listen).collect()
}

async fn next_signal(signals: &mut [(i32, Signal)]) -> i32 {
    let waits = signals.iter_mut().map(|(number, signal)| {
        Box::pin(async move {
            signal.recv().await;
            *number
        })
    });
    futures_util::future::select_all(waits).await.0
}

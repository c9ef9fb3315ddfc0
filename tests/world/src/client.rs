//! A long-running workload whose output a story reads as it comes.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// One line of output, or its end.
pub type Line = Option<String>;

/// A running `ripstop run`.
#[derive(Debug)]
pub struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    reader: Option<JoinHandle<()>>,
}

impl Client {
    /// Starts `command`.
    pub fn start(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("starting a client")?;
        let stdout = child.stdout.take().context("no standard output")?;
        let stdin = child.stdin.take();
        let (send, lines) = channel();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, stdin, lines, reader: Some(reader) })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line, or nothing when the output has ended.
    pub fn line(&self, deadline: Duration) -> Result<Line> {
        match self.lines.recv_timeout(deadline) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => bail!("no line in {deadline:?}"),
        }
    }

    /// The last of the lines that came since the last look.
    pub fn newest(&self) -> Option<String> {
        self.lines.try_iter().last()
    }

    /// Writes a line to its standard input.
    pub fn say(&mut self, line: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("standard input is closed")?;
        writeln!(stdin, "{line}")?;
        Ok(stdin.flush()?)
    }

    /// Asks it to end by closing its input and SIGTERM; gives its status and the rest of its lines.
    pub fn stop(mut self) -> Result<(ExitStatus, Vec<String>)> {
        drop(self.stdin.take());
        crate::signal(self.child.id(), "TERM")?;
        let status = self.child.wait()?;
        let lines = self.lines.iter().collect();
        Ok((status, lines))
    }

    /// Waits until it ends, with its input still open; gives its status and the rest of its lines.
    pub fn finish_by_itself(mut self) -> Result<(ExitStatus, Vec<String>)> {
        let lines = self.lines.iter().collect();
        Ok((self.child.wait()?, lines))
    }

    /// Closes its input and waits until it ends; gives its status and the rest of its lines.
    pub fn finish(mut self) -> Result<(ExitStatus, Vec<String>)> {
        drop(self.stdin.take());
        let lines = self.lines.iter().collect();
        Ok((self.child.wait()?, lines))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

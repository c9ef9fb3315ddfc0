//! Small clients that tell of single requests when which answer came, a line each.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::message::{LONGEST, Persistence};

/// Longest wait for the first answer, with all tries.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two tries, and between two requests.
const PAUSE: Duration = Duration::from_millis(1);

/// Asks until the first byte of an answer has come; tells how many tries it took.
pub async fn ask(target: SocketAddr) -> Result<()> {
    let asking = async {
        let mut tries = 1;
        while first_byte(target).await.is_err() {
            tries += 1;
            sleep(PAUSE).await;
        }
        tries
    };
    let tries: u32 = timeout(PATIENCE, asking).await.with_context(|| format!("no answer in {PATIENCE:?}"))?;
    println!("{tries}");
    Ok(())
}

/// Asks once a millisecond, on one connection, until the process ends; tells each status that is another than
/// that of the answer before.
pub async fn watch(target: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(target).await.with_context(|| format!("connecting to {target}"))?;
    stream.set_nodelay(true)?;
    let mut last = String::new();
    let mut pace = interval(PAUSE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        stream.write_all(Persistence::KeepAlive.request()).await.context("sending a request")?;
        let status = answer(&mut stream).await?;
        if status != last {
            println!("{status}");
            last = status;
        }
    }
}

async fn first_byte(target: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(target).await?;
    stream.set_nodelay(true)?;
    stream.write_all(Persistence::KeepAlive.request()).await?;
    ensure!(stream.read(&mut [0]).await? > 0, "the connection ended before an answer");
    Ok(())
}

/// Reads an answer to its end; gives its status.
async fn answer(stream: &mut TcpStream) -> Result<String> {
    let mut buffer = [0; LONGEST];
    let mut held = 0;
    loop {
        let read = stream.read(&mut buffer[held..]).await.context("waiting for an answer")?;
        ensure!(read > 0, "the connection ended before an answer");
        held += read;
        let text = String::from_utf8_lossy(&buffer[..held]);
        if let Some(status) = status_of(&text) {
            return Ok(status);
        }
        ensure!(held < LONGEST, "an answer without end: {text}");
    }
}

/// The status of a whole answer, whose end its length tells, if it says one.
fn status_of(text: &str) -> Option<String> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    (body.len() >= length.unwrap_or(0)).then(|| status.to_owned())
}

#[cfg(test)]
mod tests;

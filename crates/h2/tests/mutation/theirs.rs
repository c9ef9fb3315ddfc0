//! What the `h2` crate makes of bytes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use h2::RecvStream;
use http::Request;
use ripstop_h2::{Code, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::{
    Verdict,
    ours::{gone, taken},
    recorded::STREAMS,
    wire,
};

/// More than either side ever says.
const PIPE: usize = 1 << 20;

type Streams = Arc<Mutex<BTreeMap<u32, (usize, bool, Option<Code>)>>>;

pub async fn verdict(role: Role, bytes: &[u8]) -> Verdict {
    let (near, mut far) = duplex(PIPE);
    let streams = Streams::default();
    let driver = match role {
        Role::Server => tokio::spawn(serve(near, streams.clone())),
        Role::Client => tokio::spawn(ask(near, streams.clone())),
    };
    settle().await;
    far.write_all(bytes).await.unwrap();
    settle().await;
    far.shutdown().await.unwrap();
    driver.await.unwrap();
    let mut said = Vec::new();
    far.read_to_end(&mut said).await.unwrap();
    judge(said.strip_prefix(wire::PREFACE).unwrap_or(&said), &streams)
}

/// Lets all tasks of this thread go as far as they can.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

async fn serve(io: DuplexStream, streams: Streams) {
    let mut builder = h2::server::Builder::new();
    let Ok(mut connection) = builder.initial_window_size(1 << 18).handshake::<_, Bytes>(io).await else { return };
    let mut tasks = Vec::new();
    while let Some(Ok((request, answer))) = connection.accept().await {
        let id = request.body().stream_id().as_u32();
        let streams = streams.clone();
        streams.lock().unwrap().insert(id, (0, false, None));
        tasks.push(tokio::spawn(async move {
            // As long as these are there nothing is reset for want of an owner.
            (read(id, request.into_body(), &streams).await, answer)
        }));
    }
    for task in tasks {
        drop(task.await);
    }
}

async fn ask(io: DuplexStream, streams: Streams) {
    let mut builder = h2::client::Builder::new();
    let builder = builder.enable_push(false).initial_window_size(1 << 18);
    let (mut sender, connection) = builder.handshake::<_, Bytes>(io).await.unwrap();
    let mut tasks = Vec::new();
    for n in 0..STREAMS {
        let request = Request::post(format!("http://a/{n}")).body(()).unwrap();
        let (answer, stream) = sender.send_request(request, true).unwrap();
        let id = 2 * n + 1;
        let streams = streams.clone();
        tasks.push(tokio::spawn(async move {
            let body = match answer.await {
                Ok(answer) => {
                    streams.lock().unwrap().insert(id, (0, false, None));
                    Some(read(id, answer.into_body(), &streams).await)
                }
                Err(error) => {
                    note_reset(id, &error, &streams);
                    None
                }
            };
            (body, stream)
        }));
    }
    drop(connection.await);
    for task in tasks {
        drop(task.await);
    }
    drop(sender);
}

fn note_reset(id: u32, error: &h2::Error, streams: &Streams) {
    if error.is_remote() && error.is_reset() {
        streams.lock().unwrap().entry(id).or_default().2 = error.reason().map(|reason| Code(reason.into()));
    }
}

async fn read(id: u32, mut body: RecvStream, streams: &Streams) -> RecvStream {
    while let Some(piece) = body.data().await {
        match piece {
            Ok(piece) => {
                streams.lock().unwrap().entry(id).or_default().0 += piece.len();
                drop(body.flow_control().release_capacity(piece.len()));
            }
            Err(error) => {
                note_reset(id, &error, streams);
                return body;
            }
        }
    }
    match body.trailers().await {
        Ok(_) => streams.lock().unwrap().entry(id).or_default().1 = true,
        Err(error) => note_reset(id, &error, streams),
    }
    body
}

fn judge(said: &[u8], streams: &Streams) -> Verdict {
    let mut verdict = Verdict::default();
    for frame in wire::frames(said) {
        match frame.kind {
            wire::RST_STREAM => drop(verdict.streams.insert(frame.stream, format!("reset {}", Code(frame.number())))),
            wire::GOAWAY => {
                let code = u32::from_be_bytes(frame.payload[4..8].try_into().unwrap());
                if code != 0 {
                    verdict.error = Some((Code(code).to_string(), ""));
                }
            }
            _ => {}
        }
    }
    for (&id, &(length, end, code)) in &*streams.lock().unwrap() {
        verdict.streams.entry(id).or_insert_with(|| code.map_or_else(|| taken(length, end), gone));
    }
    verdict
}

//! The `h2` crate beside ours.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
    time::Instant,
};

use bytes::Bytes;
use h2::server::Builder;
use ripstop_h2::{Config, Connection, Event, Limits, PREFACE, Rate, Role};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    runtime::Runtime,
};

/// Content of each stream that was opened, and whether it ended.
type Taken = BTreeMap<u32, (usize, bool)>;

const ANY: Rate = Rate::new(u32::MAX, 1);
/// More than either side ever says.
const PIPE: usize = 1 << 20;

/// What our server takes without a complaint the server of the h2 crate takes in the same way; it may be less strict, but
/// whoever is less strict than it has to say why here.
///
/// The bytes are frames: type, flags, stream, length, that many bytes. They come after the first SETTINGS.
pub fn h2_oracle(data: &[u8]) {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let Some(bytes) = frames(data) else { return };
    let Some(ours) = ours(&bytes) else { return };
    let runtime = RUNTIME
        .get_or_init(|| tokio::runtime::Builder::new_current_thread().build().expect("a runtime of this thread"));
    let (theirs, said) = runtime.block_on(theirs(&bytes));
    let complaints: Vec<_> = complaints(&said).collect();
    assert!(complaints.is_empty(), "{complaints:?}, and we say nothing of {ours:?}");
    assert_eq!(ours, theirs);
}

/// Whole frames; none if a header block is left open, or nothing is there.
fn frames(mut data: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = [&PREFACE[..], &super::HELLO].concat();
    let mut open = false;
    while let Some((&[kind, flags, stream, length], rest)) = data.split_first_chunk() {
        let (payload, rest) = rest.split_at(rest.len().min(length.into()));
        data = rest;
        bytes.extend([0, 0, u8::try_from(payload.len()).ok()?, kind % 12, flags, 0, 0, 0, stream % 16]);
        bytes.extend_from_slice(payload);
        if matches!(kind % 12, 1 | 9) {
            open = flags & 4 == 0;
        }
    }
    (!open).then_some(bytes)
}

/// What we take; none if we complain of anything.
fn ours(mut bytes: &[u8]) -> Option<Taken> {
    let now = Instant::now();
    let limits = Limits { pings: ANY, settings: ANY, early_resets: ANY, idle_frames: ANY, ..Limits::default() };
    let mut connection = Connection::new(Role::Server, Config { limits, ..Config::default() }, now);
    let first = connection.output().len();
    connection.sent(first);
    let mut taken = Taken::new();
    loop {
        match connection.receive(now, &mut bytes).ok()? {
            None => break,
            Some(Event::Headers { stream, end }) => {
                let text = |name: &[u8]| connection.fields().get(name).unwrap_or_default().to_vec();
                // The http crate knows fewer paths, schemes and methods than there are.
                http::Uri::try_from(text(b":path")).ok()?;
                http::uri::Authority::try_from(&text(b":authority")[..]).ok()?;
                http::uri::Scheme::try_from(&text(b":scheme")[..]).ok()?;
                http::Method::from_bytes(&text(b":method")).ok()?;
                taken.insert(stream.id(), (0, end));
            }
            Some(Event::Data { stream, bytes, end }) => {
                connection.consume(stream, bytes.len(), now);
                let (length, ended) = taken.get_mut(&stream.id())?;
                *length += bytes.len();
                *ended = end;
            }
            Some(Event::Trailers { stream }) => taken.get_mut(&stream.id())?.1 = true,
            // What is left of a stream that is reset depends on who is faster; so does what comes after GOAWAY.
            Some(Event::Reset { .. } | Event::GoAway { .. }) => return None,
            Some(_) => {}
        }
    }
    complaints(connection.output()).next().is_none().then_some(taken)
}

/// RST_STREAM, and GOAWAY with an error.
fn complaints(mut said: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    std::iter::from_fn(move || {
        loop {
            let (head, rest) = said.split_first_chunk::<9>()?;
            let (payload, rest) = rest.split_at_checked(u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize)?;
            said = rest;
            if head[3] == 3 || head[3] == 7 && payload[4..8] != [0; 4] {
                return Some([head, payload].concat());
            }
        }
    })
}

async fn theirs(bytes: &[u8]) -> (Taken, Vec<u8>) {
    let (near, mut far) = duplex(PIPE);
    let taken = Arc::new(Mutex::new(Taken::new()));
    let server = tokio::spawn(serve(near, taken.clone()));
    far.write_all(bytes).await.expect("the pipe is long");
    for _ in 0..60 {
        tokio::task::yield_now().await;
    }
    far.shutdown().await.expect("a pipe");
    server.await.expect("the h2 crate does not panic");
    let mut said = Vec::new();
    far.read_to_end(&mut said).await.expect("a pipe");
    let taken = taken.lock().expect("nobody panicked").clone();
    (taken, said)
}

async fn serve(io: DuplexStream, taken: Arc<Mutex<Taken>>) {
    let mut builder = Builder::new();
    let builder = builder.initial_window_size(1 << 18).data_frame_budget(1 << 30).max_concurrent_streams(100);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(io).await else { return };
    let mut tasks = Vec::new();
    while let Some(Ok((request, answer))) = connection.accept().await {
        let taken = taken.clone();
        tasks.push(tokio::spawn(async move {
            let mut body = request.into_body();
            let id = body.stream_id().as_u32();
            let note = |length: usize, end| {
                let mut taken = taken.lock().expect("nobody panicked");
                let entry = taken.entry(id).or_default();
                *entry = (entry.0 + length, entry.1 || end);
            };
            note(0, false);
            while let Some(Ok(piece)) = body.data().await {
                note(piece.len(), false);
                drop(body.flow_control().release_capacity(piece.len()));
            }
            if body.is_end_stream() || body.trailers().await.is_ok() {
                note(0, true);
            }
            // Nothing is reset for want of an owner.
            (body, answer)
        }));
    }
    for task in tasks {
        drop(task.await);
    }
}

//! Has two implementations say what was planned.

use std::{cell::RefCell, io, rc::Rc};

use ripstop_library_tunnel as library;
use ripstop_tunnel::{Authority, PoolConfig, Refusal};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    net::TcpListener,
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::plan::{Ending, Flow, Heard, How, Outcome, Outcomes, Plan, Side, Start};
use crate::{
    ConnectRequest, IncomingStream, TunnelError, TunnelPool, TunnelStream, accept,
    testing::{Client, LONG, Mesh},
};

/// Whose codecs a side uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Implementation {
    Ours,
    Library,
}

/// A stream of either.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {
    fn abort(self: Box<Self>);
}

impl Stream for TunnelStream {
    fn abort(self: Box<Self>) {
        TunnelStream::abort(*self);
    }
}

impl Stream for library::Stream {
    fn abort(self: Box<Self>) {
        library::Stream::abort(*self);
    }
}

/// What both sides share.
struct Stage {
    plans: Vec<Plan>,
    /// What servers found.
    found: RefCell<Vec<Option<Outcome>>>,
    /// Whether those who stall may go on.
    release: watch::Sender<bool>,
}

enum Opener {
    Ours(Client),
    Library(library::Client),
}

/// Plays all plans at once on one tunnel; in the middle the server asks for no more streams, and at the end both are
/// closed in good order.
pub(crate) async fn play(mesh: &Mesh, client: Implementation, server: Implementation, plans: &[Plan]) -> Vec<Outcomes> {
    let stage = Rc::new(Stage {
        plans: plans.to_vec(),
        found: RefCell::new(vec![None; plans.len()]),
        release: watch::Sender::new(false),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let drain = CancellationToken::new();
    let mut serving = JoinSet::new();
    serving.spawn_local({
        let (stage, tls, drain, mesh_client) = (stage.clone(), mesh.server(), drain.clone(), mesh.id("client"));
        async move {
            let (socket, _) = listener.accept().await.unwrap();
            let shutdown = async move { drain.cancelled().await };
            match server {
                Implementation::Ours => {
                    let accepted = accept(socket, tls).await.unwrap();
                    let handler = move |incoming| answer_ours(stage.clone(), incoming);
                    accepted.serve(mesh_client, handler, shutdown).await.map_err(|error| error.to_string())
                }
                Implementation::Library => {
                    let handler = move |incoming| answer_library(stage.clone(), incoming);
                    library::serve(socket, tls, handler, shutdown).await.map_err(|error| error.to_string())
                }
            }
        }
    });
    let opener = match client {
        Implementation::Ours => {
            let pool = TunnelPool::new(PoolConfig { max_tunnels: 1, ..PoolConfig::default() });
            Opener::Ours(Client::of(mesh, address, pool))
        }
        Implementation::Library => {
            let socket = tokio::net::TcpStream::connect(address).await.unwrap();
            Opener::Library(library::Client::connect(socket, mesh.credentials(1).config).await.unwrap())
        }
    };
    let opener = Rc::new(opener);
    let (mut quick, mut stalling) = (JoinSet::new(), JoinSet::new());
    for (i, plan) in plans.iter().enumerate() {
        let (stage, opener) = (stage.clone(), opener.clone());
        let set = if plan.stalls() { &mut stalling } else { &mut quick };
        // All are opened before the tunnel is asked to take no more.
        let opened = open(&opener, i).await;
        set.spawn_local(async move {
            let plan = &stage.plans[i];
            let outcome = match opened {
                Ok(stream) => converse(stream, Side::Client, plan, &stage).await,
                Err(status) => Outcome { refused: Some(status), ..Outcome::default() },
            };
            (i, outcome)
        });
    }
    drain.cancel();
    let mut outcomes = timeout(LONG, quick.join_all()).await.expect("nobody waits for those who stall");
    stage.release.send_replace(true);
    outcomes.extend(timeout(LONG, stalling.join_all()).await.unwrap());
    outcomes.sort_by_key(|(i, _)| *i);
    match Rc::into_inner(opener).unwrap() {
        Opener::Ours(client) => client.pool.drain(Instant::now() + LONG).await,
        Opener::Library(client) => drop(client.finish().await),
    }
    let served = timeout(LONG, serving.join_next()).await.unwrap().unwrap().unwrap();
    // The library closes its socket without listening to the end, which the other may find broken.
    if (client, server) == (Implementation::Ours, Implementation::Ours) {
        assert_eq!(served, Ok(()));
    }
    let found = stage.found.take();
    outcomes.into_iter().zip(found).map(|((_, client), server)| [client, server.unwrap()]).collect()
}

/// The stream of a plan, which is what the port says.
async fn open(opener: &Opener, i: usize) -> Result<Box<dyn Stream>, u16> {
    let authority: Authority = format!("10.0.0.9:{}", i + 1).parse().unwrap();
    match opener {
        Opener::Ours(client) => match client.request(&ConnectRequest::new(authority)).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(TunnelError::Refused { status, .. }) => Err(status),
            Err(error) => panic!("{error}"),
        },
        Opener::Library(client) => match client.open(&authority).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(library::OpenError::Refused(status)) => Err(status),
            Err(error) => panic!("{error}"),
        },
    }
}

async fn answer_ours(stage: Rc<Stage>, incoming: IncomingStream) {
    let i = usize::from(incoming.authority().port()) - 1;
    let plan = &stage.plans[i];
    let outcome = if plan.ending == Ending::Refused {
        incoming.refuse(Refusal::Unavailable);
        Outcome::default()
    } else {
        converse(Box::new(incoming.accept(None).unwrap()), Side::Server, plan, &stage).await
    };
    stage.found.borrow_mut()[i] = Some(outcome);
}

async fn answer_library(stage: Rc<Stage>, incoming: library::Incoming) {
    let i = usize::from(incoming.authority().port()) - 1;
    let plan = &stage.plans[i];
    let outcome = if plan.ending == Ending::Refused {
        incoming.refuse(Refusal::Unavailable);
        Outcome::default()
    } else {
        converse(Box::new(incoming.accept().unwrap()), Side::Server, plan, &stage).await
    };
    stage.found.borrow_mut()[i] = Some(outcome);
}

/// One side of a plan.
async fn converse(mut stream: Box<dyn Stream>, side: Side, plan: &Plan, stage: &Stage) -> Outcome {
    let (says, hears) = match side {
        Side::Client => (&plan.forward, &plan.backward),
        Side::Server => (&plan.backward, &plan.forward),
    };
    let mut outcome = Outcome::default();
    match plan.ending {
        Ending::Refused => unreachable!("there is no stream"),
        Ending::Both => {
            let (read, write) = tokio::io::split(stream);
            // In two tasks, as two threads of an application do.
            let (says, hears) = (says.clone(), hears.clone());
            let released = stage.release.subscribe();
            let mut tasks = JoinSet::new();
            tasks.spawn_local(async move { (None, Some(say(write, &says).await)) });
            tasks.spawn_local(async move {
                let mut heard = Vec::new();
                let end = listen(read, &hears, released, &mut heard).await;
                (Some((Heard(heard), end)), None)
            });
            for (heard, said) in tasks.join_all().await {
                if let Some((heard, end)) = heard {
                    (outcome.heard, outcome.read) = (heard, Some(end.map_err(|error| error.kind())));
                }
                outcome.written = outcome.written.or(said.map(|said| said.map_err(|error| error.kind())));
            }
        }
        Ending::Gone(who, how) if who == side => {
            write(&mut stream, says).await.unwrap();
            outcome.heard = Heard(vec![stream.read_u8().await.unwrap()]);
            go(stream, how);
        }
        Ending::Gone(..) => {
            let mut heard = vec![0; hears.writes.iter().sum()];
            stream.read_exact(&mut heard).await.unwrap();
            stream.write_all(b"!").await.unwrap();
            outcome.read = Some(end(&mut stream, &mut heard).await);
            outcome.heard = Heard(heard);
            outcome.written = Some(until_it_fails(&mut stream).await);
        }
        Ending::Early(who, how) if who == side => {
            outcome.heard = Heard(vec![stream.read_u8().await.unwrap()]);
            go(stream, how);
        }
        Ending::Early(..) => {
            outcome.written = Some(until_it_fails(&mut stream).await);
            let mut heard = Vec::new();
            outcome.read = Some(end(&mut stream, &mut heard).await);
            outcome.heard = Heard(heard);
        }
    }
    outcome
}

fn go(stream: Box<dyn Stream>, how: How) {
    match how {
        How::Drop => drop(stream),
        How::Abort => stream.abort(),
    }
}

/// Says all, and the end.
async fn say(mut stream: WriteHalf<Box<dyn Stream>>, flow: &Flow) -> io::Result<()> {
    write(&mut stream, flow).await?;
    stream.shutdown().await
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), flow: &Flow) -> io::Result<()> {
    let bytes = flow.bytes();
    let mut rest = bytes;
    for &size in &flow.writes {
        let (piece, after) = rest.split_at(size);
        stream.write_all(piece).await?;
        rest = after;
    }
    Ok(())
}

/// Hears all, in the flow's way.
async fn listen(
    mut stream: ReadHalf<Box<dyn Stream>>,
    flow: &Flow,
    mut released: watch::Receiver<bool>,
    heard: &mut Vec<u8>,
) -> io::Result<()> {
    if flow.start == Start::Last {
        released.wait_for(|released| *released).await.unwrap();
    }
    let mut sizes = flow.reads.iter().cycle();
    loop {
        let mut space = vec![0; *sizes.next().unwrap()];
        let n = stream.read(&mut space).await?;
        if n == 0 {
            return Ok(());
        }
        heard.extend_from_slice(&space[..n]);
        for _ in 0..flow.pause {
            tokio::task::yield_now().await;
        }
    }
}

/// Hears what is left.
async fn end(stream: &mut Box<dyn Stream>, heard: &mut Vec<u8>) -> Result<(), io::ErrorKind> {
    stream.read_to_end(heard).await.map(|_| ()).map_err(|error| error.kind())
}

async fn until_it_fails(stream: &mut Box<dyn Stream>) -> Result<(), io::ErrorKind> {
    loop {
        stream.write_all(&[0; 5_000]).await.map_err(|error| error.kind())?;
        tokio::task::yield_now().await;
    }
}

/// A killed server is an error for whoever reads, never an end.
#[tokio::test(flavor = "local")]
async fn a_kill_is_the_same_to_both() {
    let mesh = Mesh::new();
    for client in [Implementation::Ours, Implementation::Library] {
        for server in [Implementation::Ours, Implementation::Library] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (tls, peer) = (mesh.server(), mesh.id("client"));
            let mut serving = JoinSet::new();
            serving.spawn_local(async move {
                let (socket, _) = listener.accept().await.unwrap();
                match server {
                    Implementation::Ours => {
                        let accepted = accept(socket, tls).await.unwrap();
                        let handler = |incoming: IncomingStream| part(incoming.accept(None).unwrap());
                        accepted.serve(peer, handler, std::future::pending()).await.unwrap();
                    }
                    Implementation::Library => {
                        let handler = |incoming: library::Incoming| part(incoming.accept().unwrap());
                        library::serve(socket, tls, handler, std::future::pending()).await.unwrap();
                    }
                }
            });
            let opener = match client {
                Implementation::Ours => Opener::Ours(Client::of(&mesh, address, TunnelPool::default())),
                Implementation::Library => {
                    let socket = tokio::net::TcpStream::connect(address).await.unwrap();
                    Opener::Library(library::Client::connect(socket, mesh.credentials(1).config).await.unwrap())
                }
            };
            let mut stream = open(&opener, 0).await.unwrap();
            let mut heard = [0; 4];
            stream.read_exact(&mut heard).await.unwrap();
            serving.shutdown().await;
            let error = timeout(LONG, stream.read_u8()).await.unwrap().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{client:?} to {server:?}: {error}");
        }
    }
}

async fn part(mut stream: impl Stream) {
    stream.write_all(b"part").await.unwrap();
    std::future::pending::<()>().await;
}

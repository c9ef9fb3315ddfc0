//! A client's connection, request by request.

use std::{cell::Cell, future::poll_fn, pin::pin, rc::Rc, time::Duration};

use ripstop_exchange::{
    Came, Closed, Downstream, HalfClose, Http1Server, Http2Options, Http2Server, Io, Next, ServerOptions,
};
use ripstop_model::ConnectionSettings;
use ripstop_tunnel::Seldom;
use tokio::{
    select,
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// What is done with the requests of a connection.
pub trait Serve: 'static {
    /// Answers a request to its end. Requests of HTTP/2 are served side by side.
    fn serve(&self, downstream: Downstream<'_>) -> impl Future<Output = ()>;

    /// Something came that is no request, or one beyond the limits, and is answered so.
    fn malformed(&self, what: &Malformed);
}

/// What came instead of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The status that it is answered with.
    pub status: u16,
    /// What the connection speaks.
    pub version: Version,
    /// When it began to come, if that is known.
    pub begun: Option<Instant>,
}

/// Which version of HTTP a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0 or 1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What ends a connection before its client does.
#[derive(Clone, Debug)]
pub struct Ends {
    /// It takes no further requests; those under way are finished.
    pub drain: CancellationToken,
    /// What a client means that ends its sending side.
    pub half_close: HalfClose,
    /// How long it may last, and what else is put up with.
    pub settings: ConnectionSettings,
}

thread_local! {
    static LISTENS: Rc<ServerOptions> =
        Rc::new(ServerOptions { half_close: HalfClose::Listens, idle: IDLE, ..ServerOptions::default() });
    static LEAVES: Rc<ServerOptions> = Rc::new(ServerOptions { half_close: HalfClose::Leaves, ..ServerOptions::default() });
    static HTTP2: Rc<Http2Options> = Rc::new(Http2Options::default());
}

/// How long a workload's connection may wait for its next request: it knows nothing of who reads it (Envoy's default).
const IDLE: Duration = Duration::from_secs(3600);

/// What lasts without end.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);
/// The least window of a connection of HTTP/2 (RFC 9113 6.9.2), and the greatest, in bytes.
const WINDOWS: (u32, u32) = (0xffff, 0x7fff_ffff);

// === impl Ends ===

impl Ends {
    /// Ready once no further requests are to be taken.
    async fn reached(&self) {
        let Some(longest) = self.settings.connection.filter(|longest| !longest.is_zero()) else {
            return self.drain.cancelled().await;
        };
        select! {
            () = self.drain.cancelled() => {}
            () = sleep(longest.min(FOREVER)) => {}
        }
    }
}

/// How long something may last for which so much is said.
fn lasting(said: Duration) -> Duration {
    if said.is_zero() { FOREVER } else { said.min(FOREVER) }
}

fn http1_options(ends: &Ends) -> Rc<ServerOptions> {
    let usual = match ends.half_close {
        HalfClose::Listens => LISTENS.with(Rc::clone),
        HalfClose::Leaves => LEAVES.with(Rc::clone),
    };
    let ConnectionSettings { idle, head, .. } = ends.settings;
    if idle.is_none() && head.is_none() {
        return usual;
    }
    Rc::new(ServerOptions {
        idle: idle.map_or(usual.idle, lasting),
        head: head.map_or(usual.head, lasting),
        ..ServerOptions::clone(&usual)
    })
}

fn http2_options(settings: &ConnectionSettings) -> Rc<Http2Options> {
    let usual = HTTP2.with(Rc::clone);
    let ConnectionSettings { idle, streams, stream_window, connection_window, .. } = *settings;
    if idle.is_none() && streams.is_none() && stream_window.is_none() && connection_window.is_none() {
        return usual;
    }
    let mut options = Http2Options::clone(&usual);
    if let Some(idle) = idle.map(lasting) {
        // Whether it is idle is looked at as often as it may be found silent.
        options.ping_after = options.ping_after.min(idle / 2);
        options.idle = idle;
    }
    let (least, most) = WINDOWS;
    let config = &mut options.config;
    if let Some(window) = stream_window {
        // What is said is what there is: it does not grow.
        config.window = window.clamp(1, most);
        config.max_window = config.window;
    }
    config.connection_window = connection_window.map_or(config.connection_window, |window| window.clamp(least, most));
    config.max_streams = streams.map_or(config.max_streams, |streams| streams.max(1));
    Rc::new(options)
}

/// Serves the requests of a connection until it is over.
pub async fn serve<S: Serve>(server: Rc<S>, stream: Io, version: Version, ends: Ends) {
    match version {
        Version::Http1 => http1(&*server, stream, &ends).await,
        Version::Http2 => http2(server, stream, &ends).await,
    }
}

async fn http1<S: Serve>(server: &S, stream: Io, ends: &Ends) {
    let mut connection = Http1Server::new(stream, http1_options(ends));
    let mut drained = pin!(Seldom::new(ends.reached()));
    let draining = Cell::new(false);
    loop {
        let next = select! {
            biased;
            () = &mut drained, if !draining.get() => {
                draining.set(true);
                connection.drain();
                continue;
            }
            next = poll_fn(|cx| connection.poll_next(cx)) => next,
        };
        match next {
            Next::Request => server.serve(Downstream::Http1(&mut connection)).await,
            Next::Refused(refusal) => {
                let status = refusal.status();
                server.malformed(&Malformed { status, version: Version::Http1, begun: connection.begun() });
                let mut client = Downstream::Http1(&mut connection);
                if client.reply(status, [(&b"content-type"[..], &b"text/plain"[..])], b"").is_err()
                    || client.finish().await.is_err()
                {
                    return;
                }
                // Whatever comes behind it can't be told apart.
                return connection.close().await;
            }
            Next::Closed(Closed::Failed(error)) => {
                tracing::debug!(%error, "a client's connection failed");
                return;
            }
            Next::Closed(_) => return connection.close().await,
        }
    }
}

async fn http2<S: Serve>(server: Rc<S>, stream: Io, ends: &Ends) {
    let (mut connection, driver) = Http2Server::new(stream, http2_options(&ends.settings));
    let mut requests = JoinSet::new();
    let mut driver = pin!(driver);
    let mut drained = pin!(Seldom::new(ends.reached()));
    let (mut draining, mut over) = (false, false);
    loop {
        select! {
            biased;
            () = &mut drained, if !draining => {
                draining = true;
                connection.drain();
            }
            ended = &mut driver => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a client's connection failed");
                }
                // Whoever is still answered has lost its client and sees that.
                while requests.join_next().await.is_some() {}
                return;
            }
            came = poll_fn(|cx| connection.poll_came(cx)), if !over => match came {
                Some(Came::Request(mut request)) => {
                    let server = server.clone();
                    requests.spawn_local(async move { server.serve(Downstream::Http2(&mut request)).await });
                }
                Some(Came::Refused(status)) => {
                    server.malformed(&Malformed { status, version: Version::Http2, begun: None });
                }
                None => over = true,
            },
            Some(_) = requests.join_next() => {}
        }
    }
}

#[cfg(test)]
mod tests;

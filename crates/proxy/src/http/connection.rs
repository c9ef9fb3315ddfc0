//! A client's connection, request by request.

use std::{cell::Cell, future::poll_fn, pin::pin, rc::Rc, time::Duration};

use ripstop_exchange::{
    Came, Closed, Downstream, HalfClose, Http1Server, Http2Options, Http2Server, Io, Next, ServerOptions,
};
use ripstop_tunnel::Seldom;
use tokio::{select, task::JoinSet, time::Instant};
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
}

thread_local! {
    static LISTENS: Rc<ServerOptions> =
        Rc::new(ServerOptions { half_close: HalfClose::Listens, idle: IDLE, ..ServerOptions::default() });
    static LEAVES: Rc<ServerOptions> = Rc::new(ServerOptions { half_close: HalfClose::Leaves, ..ServerOptions::default() });
    static HTTP2: Rc<Http2Options> = Rc::new(Http2Options::default());
}

/// How long a workload's connection may wait for its next request: it knows nothing of who reads it (Envoy's default).
const IDLE: Duration = Duration::from_secs(3600);

/// Serves the requests of a connection until it is over.
pub async fn serve<S: Serve>(server: Rc<S>, stream: Io, version: Version, ends: Ends) {
    match version {
        Version::Http1 => http1(&*server, stream, &ends).await,
        Version::Http2 => http2(server, stream, &ends).await,
    }
}

async fn http1<S: Serve>(server: &S, stream: Io, ends: &Ends) {
    let options = match ends.half_close {
        HalfClose::Listens => LISTENS.with(Rc::clone),
        HalfClose::Leaves => LEAVES.with(Rc::clone),
    };
    let mut connection = Http1Server::new(stream, options);
    let mut drained = pin!(Seldom::new(ends.drain.cancelled()));
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
    let (mut connection, driver) = Http2Server::new(stream, HTTP2.with(Rc::clone));
    let mut requests = JoinSet::new();
    let mut driver = pin!(driver);
    let mut drained = pin!(Seldom::new(ends.drain.cancelled()));
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

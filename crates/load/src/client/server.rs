//! A server, and a connection to it.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ripstop_exchange::{ClientOptions, Http1Client, Http2Client, Http2Options, Io, TlsStream};
use ripstop_h2::OpenError;
use rustls::{ClientConfig, client::Resumption, pki_types::ServerName};
use tokio::{
    net::{TcpStream, lookup_host},
    sync::Notify,
    task::spawn_local,
    time::{sleep, timeout},
};

use crate::{
    Failure, Plan, Reuse,
    failure::{Connection, Lost},
    target::Origin,
};

/// The servers of a run, and where their names lead.
#[derive(Debug)]
pub(crate) struct Names {
    all: Vec<(Origin, Mutex<Arc<[SocketAddr]>>)>,
    /// What is connected to instead of all of them.
    instead: Option<(String, u16)>,
}

/// A server, and the connection to it that there is, if any.
pub(crate) struct Server {
    plan: Arc<Plan>,
    names: Arc<Names>,
    origin: Origin,
    tls: Option<Arc<ClientConfig>>,
    /// Which of the server's addresses is next.
    next: Cell<usize>,
    http1: RefCell<Option<Http1Client>>,
    http2: RefCell<Option<Http2Client>>,
    /// Somebody makes a connection that others wait for.
    opening: Cell<bool>,
    opened: Notify,
    /// Of HTTP/2: whether anything was answered on the connection that there is.
    answered: Cell<bool>,
}

/// Ends [`Server::opening`], also when whoever does it is given up.
struct Opening<'s>(&'s Server);

/// What ending a connection in good order may take.
const FAREWELL: Duration = Duration::from_millis(200);
/// Pause before another look at a connection that is full for a moment.
const FULL: Duration = Duration::from_millis(1);

// === impl Names ===

impl Names {
    pub(crate) fn new(plan: &Plan) -> Self {
        let mut origins: Vec<(Origin, Mutex<Arc<[SocketAddr]>>)> = Vec::new();
        for target in &plan.targets {
            if !origins.iter().any(|(known, _)| *known == target.origin) {
                origins.push((target.origin.clone(), Mutex::new(Arc::from([]))));
            }
        }
        Self { all: origins, instead: plan.connect_to.clone() }
    }

    pub(super) fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.all.iter().map(|(origin, _)| origin)
    }

    /// Its place among them.
    pub(super) fn position(&self, origin: &Origin) -> usize {
        self.origins().position(|known| known == origin).unwrap_or_default()
    }

    /// Where the name of `origin` leads. It is asked for once, and again when no address is of use any more.
    async fn addresses(&self, origin: &Origin) -> Result<Arc<[SocketAddr]>, Lost> {
        let known = &self.all[self.position(origin)].1;
        let found = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !found.is_empty() {
            return Ok(found);
        }
        let (host, port) = match &self.instead {
            Some((host, port)) => (host, port),
            None => (&origin.host, &origin.port),
        };
        let lost = |reason: String| Lost::before(Failure::UnknownName, format!("{host}: {reason}"));
        let found = lookup_host((host.as_str(), *port)).await.map_err(|error| lost(error.to_string()))?;
        let found: Arc<[SocketAddr]> = found.collect();
        if found.is_empty() {
            return Err(lost("it has no address".to_owned()));
        }
        *known.lock().unwrap_or_else(PoisonError::into_inner) = found.clone();
        Ok(found)
    }

    fn forget(&self, origin: &Origin) {
        *self.all[self.position(origin)].1.lock().unwrap_or_else(PoisonError::into_inner) = Arc::from([]);
    }
}

// === impl Server ===

impl Server {
    /// For connections of the line of that number: each line begins with another address.
    pub(super) fn new(origin: &Origin, plan: &Arc<Plan>, names: &Arc<Names>, number: usize) -> Self {
        let protocols = if plan.protocol.is_http2() { b"h2".to_vec() } else { b"http/1.1".to_vec() };
        let tls = plan.tls.as_ref().filter(|_| origin.secure).map(|tls| {
            let mut tls = ClientConfig::clone(tls);
            tls.alpn_protocols = vec![protocols];
            tls.enable_secret_extraction = true;
            if plan.reuse == Reuse::Fresh {
                // A new connection is made by somebody new.
                tls.resumption = Resumption::disabled();
            }
            Arc::new(tls)
        });
        Self {
            plan: plan.clone(),
            names: names.clone(),
            origin: origin.clone(),
            tls,
            next: Cell::new(number),
            http1: RefCell::default(),
            http2: RefCell::default(),
            opening: Cell::new(false),
            opened: Notify::new(),
            answered: Cell::new(false),
        }
    }

    /// Makes the connection.
    pub(super) async fn prepare(&self) -> Result<(), Lost> {
        if self.plan.protocol.is_http2() {
            return self.http2().await.map(|_| ());
        }
        let (client, _) = self.take_http1().await?;
        self.give_http1(client);
        Ok(())
    }

    /// The connection that there is, or another one, for one request.
    pub(super) async fn take_http1(&self) -> Result<(Http1Client, Connection), Lost> {
        let kept = self.http1.borrow_mut().take();
        if let Some(mut client) = kept
            && client.is_reusable()
        {
            let connection = Connection::after(client.served() > 0);
            return Ok((client, connection));
        }
        let client = Http1Client::new(self.connect().await?, Rc::new(ClientOptions::default()));
        Ok((client, Connection::New))
    }

    /// It was answered; perhaps it can be used again.
    pub(super) fn give_http1(&self, mut client: Http1Client) {
        if self.plan.reuse == Reuse::Kept && client.is_reusable() {
            *self.http1.borrow_mut() = Some(client);
        }
    }

    /// The connection that there is, or another one.
    pub(super) async fn http2(&self) -> Result<(Http2Client, Connection), Lost> {
        if self.plan.reuse == Reuse::Fresh {
            return Ok((self.connect_http2().await?, Connection::New));
        }
        loop {
            let kept = self.http2.borrow().clone();
            match kept.as_ref().map(Http2Client::may_open) {
                Some(Ok(())) => return Ok((kept.expect("just looked at"), Connection::after(self.answered.get()))),
                // For a moment only.
                Some(Err(OpenError::Full | OpenError::Blocked)) => {
                    sleep(FULL).await;
                    continue;
                }
                Some(Err(_)) | None => {}
            }
            if self.opening.replace(true) {
                self.opened.notified().await;
                continue;
            }
            let opening = Opening(self);
            let client = self.connect_http2().await?;
            *self.http2.borrow_mut() = Some(client.clone());
            self.answered.set(false);
            drop(opening);
            return Ok((client, Connection::New));
        }
    }

    /// Something was answered on the connection of HTTP/2 that there is.
    pub(super) fn has_answered(&self) {
        self.answered.set(true);
    }

    /// Ends the connection in good order.
    pub(super) async fn end(&self) {
        // HTTP/2 ends when nobody has it any more.
        let left = self.http2.borrow_mut().take();
        drop(left);
        let left = self.http1.borrow_mut().take();
        if let Some(client) = left {
            let (mut io, _) = client.into_parts();
            let _ = timeout(FAREWELL, poll_fn(|cx| io.poll_shutdown(cx))).await;
        }
    }

    async fn connect_http2(&self) -> Result<Http2Client, Lost> {
        let mut options = Http2Options::default();
        options.config.max_streams = self.plan.streams.get();
        let (client, driver) = Http2Client::new(self.connect().await?, Rc::new(options));
        spawn_local(async {
            // Its streams have learned why it ended.
            let _ = driver.await;
        });
        client.settled().await;
        let lost = |reason: String| Lost::before(Failure::NoHttp, reason);
        client.may_open().map_err(|error| lost(format!("the server takes no HTTP/2: {error}")))?;
        let (limit, streams) = (client.limit(), self.plan.streams.get() as usize);
        if limit < streams {
            let reason = format!("the server takes {limit} requests at once on a connection, {streams} were asked for");
            return Err(lost(reason));
        }
        Ok(client)
    }

    /// Connects to one address after the other until one is there.
    async fn connect(&self) -> Result<Io, Lost> {
        let addresses = self.names.addresses(&self.origin).await?;
        let start = self.next.replace(self.next.get().wrapping_add(1));
        let mut lost = None;
        for offset in 0..addresses.len() {
            let address = addresses[start.wrapping_add(offset) % addresses.len()];
            match TcpStream::connect(address).await.and_then(|socket| socket.set_nodelay(true).map(|()| socket)) {
                Ok(socket) => return self.secure(socket, address).await,
                Err(error) => {
                    lost.get_or_insert_with(|| Lost::before(Failure::NoConnection, format!("{address}: {error}")));
                }
            }
        }
        // The name may lead elsewhere by now.
        self.names.forget(&self.origin);
        Err(lost.unwrap_or_else(|| Lost::before(Failure::UnknownName, format!("{}: no address", self.origin.host))))
    }

    async fn secure(&self, socket: TcpStream, address: SocketAddr) -> Result<Io, Lost> {
        let Some(tls) = &self.tls else { return Ok(socket.into()) };
        let lost = |reason: &str| Lost::before(Failure::NoTls, format!("{address}: {reason}"));
        let name = ServerName::try_from(self.origin.host.clone()).map_err(|error| lost(&error.to_string()))?;
        let made = TlsStream::connect(socket, tls.clone(), name).await;
        let stream = made.map_err(|error: io::Error| lost(&error.to_string()))?;
        if self.plan.protocol.is_http2() && stream.session().alpn_protocol() != Some(b"h2") {
            return Err(lost("the server does not agree on HTTP/2"));
        }
        Ok(stream.into())
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.0.opening.set(false);
        self.0.opened.notify_waiters();
    }
}

//! Connections to a listener of a workload that ends TLS of whoever does not come by the mesh (`ingress[].tls` of Istio's
//! `Sidecar`).

use std::{io, mem, net::SocketAddr, rc::Rc, sync::Arc};

use ripstop_decide::{Program, ingress_tls_at};
use ripstop_exchange::{Io, TlsStream};
use ripstop_identity::verify_error;
use ripstop_model::{AppProtocol, Workload};
use ripstop_tls::Buffer;
use rustls::ServerConfig;
use tokio::{select, time::timeout};

use super::{Arrived, FIRST_BYTES};
use crate::{
    connections::Judged,
    error::Error,
    gateway::{HANDSHAKE, Terminator},
    http::{
        connection::Version,
        detect::{SILENCE, Silence, Spoken, detect},
    },
    worker::Context,
};

/// How TLS ends at a workload's listener.
pub struct Secured {
    terminator: Arc<Terminator>,
    /// What is in it.
    carries: AppProtocol,
    came: Came,
    /// How long a client may be silent of whom it is not known whether it speaks first.
    silence: Silence,
}

/// How a connection came to a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// By a tunnel of the mesh: what it carries may be TLS, or nothing but that.
    ByTunnel,
    /// Past the mesh: it has to be TLS.
    Plainly,
}

// === impl Secured ===

impl Secured {
    /// How it ends for what comes to `called` of `own`; nothing: it does not.
    pub fn at(context: &Context, program: &Program, own: &Workload, called: SocketAddr, came: Came) -> Option<Self> {
        let (scope, listener, tls) = ingress_tls_at(program, own, called)?;
        let silence = match program.traffic().defaults.detection_timeout {
            Some(limit) if limit.is_zero() => Silence::Waits,
            limit => Silence::Passes(limit.unwrap_or(SILENCE)),
        };
        let terminator = context.shared.ingress_tls.get(scope, listener, tls);
        Some(Self { terminator, carries: listener.protocol, came, silence })
    }

    fn is_of_requests(&self) -> bool {
        matches!(self.carries, AppProtocol::Http11 | AppProtocol::Http2 | AppProtocol::Grpc)
    }
}

// === impl Arrived ===

impl Arrived {
    /// Carries it to its end, once its TLS has ended. What comes by the mesh need not bring any.
    pub async fn carry_secured(mut self, context: &Rc<Context>, secured: Secured) {
        let silence = match secured.came {
            Came::ByTunnel if !secured.is_of_requests() => secured.silence,
            Came::ByTunnel | Came::Plainly => Silence::Waits,
        };
        let (mut read, workload) = (Buffer::default(), self.facts.workload.clone());
        let (registered, revoked) = context.connections.register(self.facts.before(true));
        let stream = select! {
            biased;
            secure = self.end_tls(&mut read, silence, &secured) => secure,
            _ = revoked => return self.reset(),
            () = workload.gone.cancelled() => return self.reset(),
        };
        drop(registered);
        let version = match stream {
            Ok(Ended::Tls(version)) => version,
            // Whoever comes by the mesh.
            Ok(Ended::Plain(Spoken::Http1)) => return self.carry_requests(context, read, Version::Http1).await,
            Ok(Ended::Plain(Spoken::Http2)) => return self.carry_requests(context, read, Version::Http2).await,
            Ok(Ended::Plain(_)) => return self.opaque(context, read).await,
            Err(error) => {
                let version = context.shared.snapshot.load().version();
                self.parties.failed(context, self.since, version, &error);
                return self.reset();
            }
        };
        // It is no request, as far as anybody knows by now; and who named nobody has no name.
        if self.facts.judged == Judged::Unread {
            self.facts.judged = Judged::Opaque;
        }
        let program = context.shared.snapshot.load_full();
        if let Some(error) = self.facts.refusal(&program) {
            self.parties.failed(context, self.since, program.version(), &error);
            return self.reset();
        }
        drop(program);
        match (version, secured.carries) {
            (Some(version), _) => self.carry_requests(context, Buffer::default(), version).await,
            (None, AppProtocol::Tcp | AppProtocol::Tls) => self.opaque(context, Buffer::default()).await,
            (None, AppProtocol::Unknown) if self.facts.judged != Judged::Requests => {
                let mut read = Buffer::default();
                let patience = match secured.silence {
                    Silence::Waits => FIRST_BYTES,
                    Silence::Passes(limit) => limit.saturating_add(FIRST_BYTES),
                };
                match timeout(patience, detect(&mut self.stream, &mut read, secured.silence)).await {
                    Ok(Ok(Spoken::Http1)) => self.carry_requests(context, read, Version::Http1).await,
                    Ok(Ok(Spoken::Http2)) => self.carry_requests(context, read, Version::Http2).await,
                    Ok(Ok(_)) => self.opaque(context, read).await,
                    Err(_) => self.reset(),
                    Ok(Err(error)) => tracing::debug!(%error, "a connection failed before it said anything"),
                }
            }
            (None, _) => {
                self.facts.judged = Judged::Requests;
                Box::pin(self.carry(context)).await;
            }
        }
    }

    async fn carry_requests(mut self, context: &Rc<Context>, read: Buffer, version: Version) {
        self.facts.judged = Judged::Requests;
        Box::pin(self.requests(context, read, version)).await;
    }

    /// Makes TLS, if the client brings any.
    async fn end_tls(&mut self, read: &mut Buffer, silence: Silence, secured: &Secured) -> Result<Ended, Error> {
        let address = self.facts.source;
        let failed = |reason: &str| Error::Tls { address, reason: reason.to_owned() };
        let spoken = match timeout(HANDSHAKE, detect(&mut self.stream, read, silence)).await {
            Ok(Ok(spoken)) => spoken,
            Ok(Err(error)) => return Err(failed(&error.to_string())),
            Err(_) => return Err(failed("the client did not say anything in time")),
        };
        let name = match spoken {
            Spoken::Tls(name) => name,
            spoken if secured.came == Came::ByTunnel => return Ok(Ended::Plain(spoken)),
            _ => {
                return Err(failed(
                    "it is none, which the workload's listener asks of whoever does not come by the mesh (ingress.tls of \
                     its Sidecar)",
                ));
            }
        };
        self.facts.sni = name.map(Into::into);
        // There is no identity of the mesh in it.
        let config = secured.terminator.config(|| None).map_err(|error| failed(&error.to_string()))?;
        let stream = mem::replace(&mut self.stream, Io::Closed);
        let accepted = match timeout(HANDSHAKE, accept(stream, mem::take(read), config)).await {
            Ok(Ok(accepted)) => accepted,
            Ok(Err(error)) => {
                let reason = verify_error(&error).map_or_else(|| error.to_string(), ToString::to_string);
                return Err(failed(&reason));
            }
            Err(_) => return Err(failed("the client did not finish the handshake in time")),
        };
        let version = (accepted.session().alpn_protocol() == Some(b"h2")).then_some(Version::Http2);
        self.stream = accepted.into();
        Ok(Ended::Tls(version))
    }
}

/// What came.
enum Ended {
    /// TLS, in which a version of HTTP was agreed on, or none.
    Tls(Option<Version>),
    /// Nothing but that.
    Plain(Spoken),
}

async fn accept(stream: Io, read: Buffer, config: Arc<ServerConfig>) -> io::Result<TlsStream> {
    match stream {
        Io::Tcp(stream) => TlsStream::accept_ahead(stream, read, config).await,
        Io::Tunnel(stream) => TlsStream::accept_ahead(stream, read, config).await,
        Io::Tls(_) | Io::Ahead(_) | Io::Closed => Err(io::ErrorKind::Unsupported.into()),
    }
}

//! Fetching a bundle (SPIFFE Federation 5.2, profile `https_web`): its server is believed by the authorities of the system.

use std::{io, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header, uri::Scheme};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::ServerName};
use thiserror::Error;
use tokio::{select, task::spawn_blocking, time::timeout};
use tokio_rustls::TlsConnector;

use super::document::{Document, DocumentError};
use crate::outside::Outside;

/// Bytes of a bundle at most.
const LARGEST: usize = 1024 * 1024;
/// How long fetching one may take, redirections included.
const PATIENCE: Duration = Duration::from_secs(10);
/// Redirections that are followed.
const REDIRECTIONS: usize = 3;

/// Why a bundle can't be had.
#[derive(Debug, Error)]
pub(crate) enum FetchError {
    #[error("its server did not answer within {} s", PATIENCE.as_secs())]
    Late,
    #[error("{0} is no https URL")]
    Url(String),
    #[error("{0} can't be connected to: {1}")]
    Connect(String, io::Error),
    #[error("no TLS could be made with {0}: {1}")]
    Tls(String, io::Error),
    #[error("the system has no authorities that a server could be believed by")]
    NoAuthorities,
    #[error("the exchange with {0} failed: {1}")]
    Http(String, hyper::Error),
    #[error("its server answers with {0}")]
    Status(StatusCode),
    #[error("it is redirected more than {} times", REDIRECTIONS)]
    Redirections,
    #[error("it has more than {} bytes", LARGEST)]
    Large,
    #[error("it was not sent whole")]
    Short,
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error("TLS can't be made here: {0}")]
    Here(String),
}

/// What an exchange came to.
enum Answer {
    Body(Bytes),
    Elsewhere(Uri),
}

/// Fetches the bundle at `url`.
pub(crate) async fn fetch(url: &str, outside: &Outside) -> Result<Document, FetchError> {
    timeout(PATIENCE, follow(url, outside)).await.unwrap_or(Err(FetchError::Late))
}

async fn follow(url: &str, outside: &Outside) -> Result<Document, FetchError> {
    let mut at: Uri = url.parse().map_err(|_| FetchError::Url(url.to_owned()))?;
    let tls = TlsConnector::from(tls().await?);
    for _ in 0..=REDIRECTIONS {
        match ask(&at, &tls, outside).await? {
            Answer::Body(body) => return Ok(Document::parse(&body)?),
            Answer::Elsewhere(next) => at = next,
        }
    }
    Err(FetchError::Redirections)
}

/// As the system believes servers now; `SSL_CERT_FILE` and `SSL_CERT_DIR` name other authorities.
async fn tls() -> Result<Arc<ClientConfig>, FetchError> {
    let found = spawn_blocking(rustls_native_certs::load_native_certs).await;
    let found = found.map_err(|error| FetchError::Here(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(FetchError::NoAuthorities);
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| FetchError::Here(error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// Asks once.
async fn ask(at: &Uri, tls: &TlsConnector, outside: &Outside) -> Result<Answer, FetchError> {
    let no_url = || FetchError::Url(at.to_string());
    let authority = at.authority().filter(|_| at.scheme() == Some(&Scheme::HTTPS)).ok_or_else(no_url)?;
    let host = authority.host().trim_matches(['[', ']']).to_owned();
    let port = authority.port_u16().unwrap_or(443);
    let name = ServerName::try_from(host.clone()).map_err(|_| no_url())?;
    let stream = outside.connect(&host, port).await.map_err(|error| FetchError::Connect(host.clone(), error))?;
    let stream = tls.connect(name, stream).await.map_err(|error| FetchError::Tls(host.clone(), error))?;
    let failed = |error| FetchError::Http(host.clone(), error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
    let request = Request::get(at.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, authority.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("ripstop/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|_| no_url())?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(failed)?;
        let status = response.status();
        if status.is_redirection() {
            let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
            return location
                .map_or(Err(FetchError::Status(status)), |location| elsewhere(at, location))
                .map(Answer::Elsewhere);
        }
        if status != StatusCode::OK {
            return Err(FetchError::Status(status));
        }
        let body = Limited::new(response.into_body(), LARGEST).collect().await;
        let body =
            body.map_err(|error| if error.is::<LengthLimitError>() { FetchError::Large } else { FetchError::Short })?;
        Ok(Answer::Body(body.to_bytes()))
    };
    let mut exchange = pin!(exchange);
    let mut connection = pin!(connection);
    select! {
        biased;
        answer = &mut exchange => answer,
        ended = &mut connection => match ended {
            // What it has said is still there to be read.
            Ok(()) => exchange.await,
            Err(error) => Err(failed(error)),
        },
    }
}

/// Where a redirection leads. Nobody is followed out of TLS.
fn elsewhere(from: &Uri, location: &str) -> Result<Uri, FetchError> {
    let no_url = || FetchError::Url(location.to_owned());
    if location.starts_with('/') && !location.starts_with("//") {
        let authority = from.authority().ok_or_else(no_url)?.clone();
        let built = Uri::builder().scheme(Scheme::HTTPS).authority(authority).path_and_query(location).build();
        return built.map_err(|_| no_url());
    }
    location.parse().ok().filter(|uri: &Uri| uri.scheme() == Some(&Scheme::HTTPS)).ok_or_else(no_url)
}

#[cfg(test)]
mod tests;

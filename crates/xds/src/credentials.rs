//! Who we are to the control plane: joining, renewal, and certificates of others.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use prost_types::{Struct, Value, value::Kind};
use ripstop_identity::{Roots, Svid, bootstrap_config, client_config, new_csr, peer_id};
use ripstop_model::SpiffeId;
use ripstop_wire::{
    ca::{IstioCertificateRequest, istio_certificate_service_client::IstioCertificateServiceClient},
    ripstop::{JoinRequest, join_client::JoinClient},
};
use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::time::timeout;
use tonic::transport::Channel;

use crate::{
    Error, IssuedChain,
    channel::connect,
    link::{LinkConfig, Shared},
};

const ALPN: &[&[u8]] = &[b"h2"];
/// How long the control plane may take to issue a certificate.
pub(crate) const SIGN_DEADLINE: Duration = Duration::from_secs(5);
/// Of a token file; tokens are much shorter.
const MAX_TOKEN: u64 = 4096;

/// The configuration of connections with our certificate.
pub(crate) fn own_config(shared: &Shared, svid: &Svid) -> Arc<ClientConfig> {
    client_config(svid, &*shared.roots.borrow(), [shared.server.clone()], ALPN)
}

/// Trades the token in the file for a first certificate, keeps it on disk and removes the file.
pub(crate) async fn join(shared: &Shared) -> Result<Svid, Error> {
    let LinkConfig { control, token_file, root_cert, .. } = &shared.config;
    let Some(token) = read_token(token_file)? else {
        return Err(Error::NoCredentials { id: shared.id.clone(), token_file: token_file.clone() });
    };
    // The file beats what was saved: a control plane that began anew has a new root.
    let roots = read_roots(root_cert).unwrap_or_else(|_| shared.roots.borrow().clone());
    let config = bootstrap_config(&roots, &shared.id.trust_domain(), [shared.server.clone()], ALPN);
    let channel = connect(*control, config).await?;
    let (key, csr) = new_csr()?;
    let mut client = JoinClient::new(channel);
    let answer = within("joining", SIGN_DEADLINE, client.join(JoinRequest { token, csr })).await?;
    let svid = Svid::new(&answer.cert_chain.concat(), key)?;
    if svid.id != shared.id {
        return Err(Error::WrongIdentity { expected: shared.id.clone(), found: svid.id });
    }
    let roots = Roots::from_pem(&answer.roots.concat())?;
    svid.check(&roots, SystemTime::now()).map_err(ripstop_identity::Error::from)?;
    shared.store.save_roots(&roots)?;
    shared.store.save(&svid)?;
    shared.roots.send_replace(roots);
    // It is used up; a file that cannot be removed is only of no use.
    if let Err(error) = std::fs::remove_file(token_file) {
        tracing::warn!(path = %token_file.display(), %error, "used token cannot be removed");
    }
    tracing::info!(id = %svid.id, control = %control, "joined");
    Ok(svid)
}

/// Gets the next certificate of our own.
pub(crate) async fn renew(shared: &Shared, channel: Channel) -> Result<Svid, Error> {
    let (key, csr) = new_csr()?;
    let issued = issue(shared, channel, &csr, &shared.id, None).await?;
    let svid = Svid::new(&issued.chain_pem, key)?;
    svid.check(&issued.roots, SystemTime::now()).map_err(ripstop_identity::Error::from)?;
    shared.store.save(&svid)?;
    tracing::info!(id = %svid.id, "own certificate renewed");
    Ok(svid)
}

/// Has a certificate of `id` issued; `impersonated` when that is not ourselves.
pub(crate) async fn issue(
    shared: &Shared,
    channel: Channel,
    csr: &str,
    id: &SpiffeId,
    impersonated: Option<&SpiffeId>,
) -> Result<IssuedChain, Error> {
    let metadata = impersonated.map(|id| Struct {
        fields: BTreeMap::from([(
            "ImpersonatedIdentity".to_owned(),
            Value { kind: Some(Kind::StringValue(id.to_string())) },
        )]),
    });
    let request = IstioCertificateRequest { csr: csr.to_owned(), validity_duration: 0, metadata };
    let mut client = IstioCertificateServiceClient::new(channel);
    let answer = within("asking for a certificate", SIGN_DEADLINE, client.create_certificate(request)).await?;
    let wrong = |reason: &str| Error::Chain { id: id.clone(), reason: reason.to_owned() };
    let Some((roots, chain)) = answer.cert_chain.split_last().filter(|(_, chain)| !chain.is_empty()) else {
        return Err(wrong("fewer than two elements"));
    };
    let leaf = CertificateDer::from_pem_slice(chain[0].as_bytes()).map_err(|error| wrong(&error.to_string()))?;
    let found = peer_id(&[leaf]).map_err(ripstop_identity::Error::from)?;
    if found != *id {
        return Err(Error::WrongIdentity { expected: id.clone(), found });
    }
    let roots = Roots::from_pem(roots)?;
    if *shared.roots.borrow() != roots {
        tracing::info!("the mesh's roots changed");
        shared.store.save_roots(&roots)?;
        shared.roots.send_replace(roots.clone());
    }
    Ok(IssuedChain { chain_pem: chain.concat(), roots })
}

/// Reads the roots in a file that others write.
pub(crate) fn read_roots(path: &Path) -> Result<Roots, Error> {
    let wrong = |reason: String| Error::RootCert { path: path.to_owned(), reason };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    Roots::from_pem(&text).map_err(|error| wrong(error.to_string()))
}

/// The token, or nothing if there is no file or nothing in it yet.
fn read_token(path: &Path) -> Result<Option<String>, Error> {
    use io::Read as _;
    let state = |source| Error::State { path: path.to_owned(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(state(error)),
    };
    let mut text = String::new();
    file.take(MAX_TOKEN).read_to_string(&mut text).map_err(state)?;
    let token = text.trim();
    Ok((!token.is_empty()).then(|| token.to_owned()))
}

/// The answer to a call, or why there is none.
pub(crate) async fn within<T>(
    what: &'static str,
    deadline: Duration,
    call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Result<T, Error> {
    match timeout(deadline, call).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) => Err(Error::Status { what, status: Box::new(status) }),
        Err(_) => Err(Error::Deadline { what, seconds: deadline.as_secs() }),
    }
}

//! What the authority checks before it signs, and of its own intermediate.

use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, alg_id, pem::PemObject};
use x509_parser::{
    certification_request::X509CertificationRequest,
    oid_registry::OID_SIG_ECDSA_WITH_SHA256,
    prelude::{FromDer, X509Certificate},
};

use crate::{Roots, tls::provider};

/// An uncompressed P-256 point.
const POINT: usize = 65;
/// Requests are a few hundred bytes.
const MAX_CSR: usize = 16 * 1024;

/// The P-256 key of a request whose signature proves possession of the key; everything else in it is ignored.
pub(super) fn verified_key(pem: &str) -> Result<SubjectPublicKeyInfo, String> {
    if pem.len() > MAX_CSR {
        return Err(format!("it is longer than {MAX_CSR} bytes"));
    }
    let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| format!("it is not a PEM CERTIFICATE REQUEST ({error})"))?;
    let (rest, request) =
        X509CertificationRequest::from_der(&der).map_err(|error| format!("it can't be parsed ({error})"))?;
    if !rest.is_empty() {
        return Err("there are bytes behind the request".into());
    }
    let info = &request.certification_request_info;
    let key = SubjectPublicKeyInfo::from_der(info.subject_pki.raw).map_err(|_| not_p256())?;
    let point = &info.subject_pki.subject_public_key.data;
    if rcgen::PublicKeyData::algorithm(&key) != &rcgen::PKCS_ECDSA_P256_SHA256 || point.len() != POINT {
        return Err(not_p256());
    }
    if request.signature_algorithm.algorithm != OID_SIG_ECDSA_WITH_SHA256 {
        return Err("it is not signed by ECDSA with SHA-256".into());
    }
    verify(point, info.raw, &request.signature_value.data)
        .map_err(|()| "its signature was not made by the key in it".to_owned())?;
    Ok(key)
}

/// Whether one of `roots` signed the intermediate `certificate`.
pub(super) fn signed_by_root(certificate: &CertificateDer<'_>, roots: &Roots) -> Result<(), String> {
    let parse = |der| X509Certificate::from_der(der).map(|(_, parsed)| parsed).map_err(|error| error.to_string());
    let signed = parse(certificate)?;
    for root in roots.certificates() {
        let root = parse(root)?;
        let point = &root.public_key().subject_public_key.data;
        if verify(point, signed.tbs_certificate.as_ref(), &signed.signature_value.data).is_ok() {
            return Ok(());
        }
    }
    Err("it was not signed by the root beside it".into())
}

fn verify(point: &[u8], message: &[u8], signature: &[u8]) -> Result<(), ()> {
    let algorithms = provider().signature_verification_algorithms.all;
    let found = algorithms.iter().find(|algorithm| {
        algorithm.public_key_alg_id() == alg_id::ECDSA_P256 && algorithm.signature_alg_id() == alg_id::ECDSA_SHA256
    });
    found.ok_or(())?.verify_signature(point, message, signature).map_err(|_| ())
}

fn not_p256() -> String {
    "its key is not an ECDSA P-256 key; make one with `openssl ecparam -name prime256v1 -genkey`".into()
}

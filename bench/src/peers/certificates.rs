//! An authority for one run, and what it certifies.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};

use super::Side;

/// Files of certificates and keys.
#[derive(Debug)]
pub(super) struct Certificates {
    directory: PathBuf,
}

// === impl Certificates ===

impl Certificates {
    /// Writes all of them into `directory`, readable by anybody: they are worth nothing after the run.
    pub(super) fn issue(directory: &Path) -> Result<Self> {
        let files = Self { directory: directory.to_owned() };
        let write =
            |path: &Path, text: String| fs::write(path, text).with_context(|| format!("writing {}", path.display()));
        let mut authority = CertificateParams::default();
        authority.distinguished_name = named("bench");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        write(&files.authority(), authority.self_signed(&key)?.pem())?;
        let issuer = Issuer::new(authority, key);
        for side in [Side::Near, Side::Far] {
            let mut leaf = CertificateParams::default();
            leaf.distinguished_name = named(&name(side));
            leaf.subject_alt_names =
                vec![SanType::URI(identity(side).try_into()?), SanType::DnsName(name(side).try_into()?)];
            leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
            leaf.use_authority_key_identifier_extension = true;
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
            let certificate = leaf.signed_by(&key, &issuer)?.pem();
            write(&files.chain_and_key(side), certificate + &key.serialize_pem())?;
        }
        Ok(files)
    }

    /// The certificate of the authority.
    pub(super) fn authority(&self) -> PathBuf {
        self.directory.join("authority.pem")
    }

    /// Certificate and key of one side, in one file.
    pub(super) fn chain_and_key(&self, side: Side) -> PathBuf {
        self.directory.join(format!("{}.pem", side.name()))
    }
}

/// The URI in the certificate of one side.
pub(super) fn identity(side: Side) -> String {
    format!("spiffe://bench/ns/bench/sa/{}", side.name())
}

/// The DNS name in it, and the common name of its subject, for who cannot compare URIs.
pub(super) fn name(side: Side) -> String {
    format!("{}.bench", side.name())
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

//! Workload identity: SPIFFE X.509 certificates, who issues them, who holds
//! them, and who believes them.
//!
//! [`CertificateAuthority`] issues; [`Svid`] is a certificate chain with its
//! private key and [`SvidStore`] keeps it on disk; [`Roots`] are what is
//! trusted, and [`Bundles`] say for whom they vouch; a [`Proof`] can be held
//! against others of them later; [`client_config`] and [`server_config`] turn these into rustls
//! configurations whose verifiers follow the SPIFFE X509-SVID rules and fail
//! with a [`VerifyError`], which [`verify_error`] finds again in an I/O error.
//!
//! Rules of every connection made with these configurations: TLS 1.3 only,
//! AES-GCM, no session resumption and no tickets (each connection proves both
//! identities afresh), no server name (identities are URIs, not host names),
//! no revocation lists (certificates are short-lived).
//!
//! This crate opens no connection and spawns nothing; its disk I/O is blocking
//! and small. Time comes in as an argument wherever a decision depends on it,
//! except inside handshakes, where rustls reads the system clock.

mod authority;
mod bundles;
mod certificate;
mod error;
mod file;
mod key;
mod proof;
mod roots;
mod store;
mod svid;
mod tls;
mod verify;

pub use authority::{CertificateAuthority, IssuedChain, MAX_TTL};
pub use bundles::{Anchors, Bundles};
pub use certificate::peer_id;
pub use error::Error;
pub use key::{PrivateKey, new_csr};
pub use proof::Proof;
pub use roots::Roots;
pub use store::SvidStore;
pub use svid::Svid;
pub use tls::{ClientAuth, bootstrap_config, client_config, edge_config, server_config, server_name};
pub use verify::{Fault, Party, VerifyError, verify_error};

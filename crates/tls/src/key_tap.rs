//! The traffic secrets of one handshake, taken where rustls would log them.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, KeyLog, ServerConfig};
use zeroize::Zeroizing;

/// Hears the secrets of one connection, and passes on what the configuration wanted logged.
///
/// [`rustls::ConnectionTrafficSecrets`] has keys only, from which no later keys can be derived, and rustls' interface for
/// kernels derives them with a state that can't be handed to another process. The secrets can do both.
#[derive(Debug)]
pub(crate) struct KeyTap {
    logged: Arc<dyn KeyLog>,
    client: Secret,
    server: Secret,
}

#[derive(Default)]
struct Secret(OnceLock<Zeroizing<Vec<u8>>>);

const CLIENT: &str = "CLIENT_TRAFFIC_SECRET_0";
const SERVER: &str = "SERVER_TRAFFIC_SECRET_0";

// === impl KeyTap ===

impl KeyTap {
    /// A copy of the configuration for one client, with a tap; the same without one if it does not allow to take
    /// secrets.
    pub(crate) fn client(config: Arc<ClientConfig>) -> (Arc<ClientConfig>, Option<Arc<Self>>) {
        if !config.enable_secret_extraction {
            return (config, None);
        }
        let tap = Self::new(&config.key_log);
        let mut config = ClientConfig::clone(&config);
        config.key_log = tap.clone();
        (Arc::new(config), Some(tap))
    }

    /// A copy of the configuration for one connection of a server, with a tap; the same without one if it does not
    /// allow to take secrets.
    pub(crate) fn server(config: Arc<ServerConfig>) -> (Arc<ServerConfig>, Option<Arc<Self>>) {
        if !config.enable_secret_extraction {
            return (config, None);
        }
        let tap = Self::new(&config.key_log);
        let mut config = ServerConfig::clone(&config);
        config.key_log = tap.clone();
        (Arc::new(config), Some(tap))
    }

    fn new(logged: &Arc<dyn KeyLog>) -> Arc<Self> {
        Arc::new(Self { logged: logged.clone(), client: Secret::default(), server: Secret::default() })
    }

    /// What the client seals with, once known.
    pub(crate) fn client_secret(&self) -> Option<&[u8]> {
        self.client.0.get().map(|secret| secret.as_slice())
    }

    /// What the server seals with, once known.
    pub(crate) fn server_secret(&self) -> Option<&[u8]> {
        self.server.0.get().map(|secret| secret.as_slice())
    }

    fn slot(&self, label: &str) -> Option<&Secret> {
        match label {
            CLIENT => Some(&self.client),
            SERVER => Some(&self.server),
            _ => None,
        }
    }
}

impl KeyLog for KeyTap {
    fn log(&self, label: &str, client_random: &[u8], secret: &[u8]) {
        if let Some(slot) = self.slot(label) {
            // A connection has one secret of each kind; a second one would not be of this connection.
            let _ = slot.0.set(Zeroizing::new(secret.to_vec()));
        }
        if self.logged.will_log(label) {
            self.logged.log(label, client_random, secret);
        }
    }

    fn will_log(&self, label: &str) -> bool {
        self.slot(label).is_some() || self.logged.will_log(label)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.get().is_some() { "taken" } else { "none" })
    }
}

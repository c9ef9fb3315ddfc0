//! How TLS ends at the listeners of workloads, for whoever does not come by the mesh.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use ripstop_model::{AppProtocol, CallerScope, IngressScope, ObjectName, ServerProtocol, ServerTls};

use crate::{
    gateway::{Position, Terminator},
    trusted_files::TrustedFiles,
};

/// Listeners at most that are known: of more, those are forgotten that nobody uses.
const MOST: usize = 256;

/// How TLS ends at the listeners of the workloads of this proxy. Each is made when somebody comes, and kept as long as it
/// is asked for the same.
#[derive(Debug)]
pub struct IngressTls {
    files: Arc<TrustedFiles>,
    made: Mutex<HashMap<(ObjectName, u16), Arc<Terminator>>>,
}

// === impl IngressTls ===

impl IngressTls {
    /// None yet. Their certificates are those of `files`.
    pub(crate) fn new(files: Arc<TrustedFiles>) -> Self {
        Self { files, made: Mutex::default() }
    }

    /// How it ends at a listener of `scope`.
    pub fn get(&self, scope: &CallerScope, listener: &IngressScope, tls: &Arc<ServerTls>) -> Arc<Terminator> {
        let object = (scope.namespace.clone(), scope.name.clone());
        let protocol = match listener.protocol {
            AppProtocol::Tcp | AppProtocol::Tls => ServerProtocol::Tls,
            _ => ServerProtocol::Https,
        };
        let position = Position { gateway: object.clone(), port: listener.port, protocol, hosts: Vec::new() };
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (object, listener.port);
        if made.len() >= MOST && !made.contains_key(&key) {
            made.retain(|_, terminator| Arc::strong_count(terminator) > 1);
        }
        let terminator = Terminator::of_files(made.get(&key), &scope.id, position, tls, &self.files);
        made.insert(key, terminator.clone());
        terminator
    }
}

//! Logs of a process: one line an event on standard error.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt};

/// Environment variable with a filter (`info,ripstop_proxy=debug`) that beats the mesh's level.
pub const FILTER_VARIABLE: &str = "RIPSTOP_LOG";

/// Changes the level of a running process.
#[derive(Clone, Debug)]
pub struct LevelHandle {
    filter: Option<reload::Handle<EnvFilter, tracing_subscriber::Registry>>,
}

/// Starts logging to standard error at `level` unless [`FILTER_VARIABLE`] says otherwise.
/// Does nothing when logging was started before.
pub fn init(level: &str) -> LevelHandle {
    let pinned = std::env::var(FILTER_VARIABLE).ok().filter(|filter| !filter.is_empty());
    let filter = EnvFilter::try_new(pinned.as_deref().unwrap_or(level)).unwrap_or_else(|_| EnvFilter::new("info"));
    let (filter, handle) = reload::Layer::new(filter);
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let started = tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok();
    LevelHandle { filter: (started && pinned.is_none()).then_some(handle) }
}

impl LevelHandle {
    /// Sets the level, unless the environment pinned it. A level that does not parse changes nothing.
    pub fn set(&self, level: &str) {
        if let (Some(handle), Ok(filter)) = (&self.filter, EnvFilter::try_new(level)) {
            let _ = handle.reload(filter);
        }
    }
}

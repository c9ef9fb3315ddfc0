//! Logs of a process: one line an event on standard error.

use std::{
    io::{self, IsTerminal},
    sync::Mutex,
};

use tracing_subscriber::{EnvFilter, Layer, fmt, layer::SubscriberExt, reload, util::SubscriberInitExt};

/// Environment variable with a filter (`info,ripstop_proxy=debug`) that beats the mesh's level.
pub const FILTER_VARIABLE: &str = "RIPSTOP_LOG";

/// Level of what [`init_with_copy`] keeps.
const KEPT: &str = "info";

/// Changes the level of a running process.
#[derive(Clone, Debug)]
pub struct LevelHandle {
    filter: Option<reload::Handle<EnvFilter, tracing_subscriber::Registry>>,
}

/// Starts logging to standard error at `level` unless [`FILTER_VARIABLE`] says otherwise.
/// Does nothing when logging was started before.
pub fn init(level: &str) -> LevelHandle {
    let pinned = pinned();
    let (filter, handle) = reload::Layer::new(filter(pinned.as_deref().unwrap_or(level)));
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let started = tracing_subscriber::registry().with(filter).with(lines).try_init().is_ok();
    LevelHandle { filter: (started && pinned.is_none()).then_some(handle) }
}

/// As [`init`], and keeps events from `info` up in `copy`, however little is shown: for a
/// process whose standard error is somebody's terminal.
pub fn init_with_copy(level: &str, copy: impl io::Write + Send + 'static) {
    let pinned = pinned();
    let shown = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let shown = shown.with_filter(filter(pinned.as_deref().unwrap_or(level)));
    let kept = fmt::layer().with_writer(Mutex::new(copy)).with_ansi(false);
    let kept = kept.with_filter(filter(pinned.as_deref().unwrap_or(KEPT)));
    // Like `init`: the first one wins.
    let _started_before = tracing_subscriber::registry().with(shown).with(kept).try_init();
}

fn pinned() -> Option<String> {
    std::env::var(FILTER_VARIABLE).ok().filter(|filter| !filter.is_empty())
}

/// The filter that `text` says; one that does not parse counts as `info`.
fn filter(text: &str) -> EnvFilter {
    EnvFilter::try_new(text).unwrap_or_else(|_| EnvFilter::new("info"))
}

impl LevelHandle {
    /// Sets the level, unless the environment pinned it. A level that does not parse changes nothing.
    pub fn set(&self, level: &str) {
        if let (Some(handle), Ok(filter)) = (&self.filter, EnvFilter::try_new(level)) {
            let _ = handle.reload(filter);
        }
    }
}

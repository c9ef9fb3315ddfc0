//! What is followed for one workload.

use std::{cell::RefCell, sync::Arc};

use ripstop_decide::{Program, connection_settings, proxy_defaults};
use ripstop_model::{ConnectionSettings, PathNormalization, PathRules, ProxyDefaults, Underscores, Workload};

/// What the proxy of a workload is like, as the configuration says, kept as long as that is the same.
#[derive(Debug, Default)]
pub struct Following(RefCell<Option<(u64, Followed)>>);

/// What the proxy of a workload is like.
#[derive(Clone, Debug)]
pub struct Followed {
    /// What it writes, and more.
    pub proxy: Arc<ProxyDefaults>,
    /// What it puts up with.
    pub connections: ConnectionSettings,
    /// How it reads requests.
    pub reading: ReadingRules,
}

/// How heads of requests are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadingRules {
    /// What their paths are.
    pub paths: PathRules,
    /// What becomes of fields with `_` in their names.
    pub underscores: Underscores,
}

// === impl Following ===

impl Following {
    /// As `program` has it for `own`.
    pub fn at(&self, program: &Program, own: &Workload) -> Followed {
        let kept = &mut *self.0.borrow_mut();
        match kept {
            Some((version, followed)) if *version == program.version() => followed.clone(),
            _ => kept.insert((program.version(), Followed::of(program, own))).1.clone(),
        }
    }
}

// === impl Followed ===

impl Followed {
    fn of(program: &Program, own: &Workload) -> Self {
        let connections = connection_settings(program, own);
        Self {
            proxy: proxy_defaults(program, own).clone(),
            reading: ReadingRules {
                paths: connections.paths(program.traffic().defaults.normalization),
                underscores: connections.underscores.unwrap_or_default(),
            },
            connections,
        }
    }
}

/// As all of the mesh reads paths, where nothing is said of fields.
impl From<PathNormalization> for ReadingRules {
    fn from(paths: PathNormalization) -> Self {
        Self { paths: paths.into(), underscores: Underscores::Pass }
    }
}

//! Limits that services count, as one worker asks about them.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use ripstop_decide::{Limiting, Program, Target, limit_service};
use ripstop_model::{GlobalRateLimit, RuleId, TrafficTarget, Workload, WorkloadUid};

use crate::{
    global_limits::{Counts, GlobalLimits},
    per_version::PerVersion,
};

/// One worker's limits that services count.
#[derive(Debug, Default)]
pub struct WorkerServices(RefCell<PerVersion<Asking, Rc<Bound>>>);

/// A limit, where it acts, and in whose name its service is called.
type Asking = (RuleId, TrafficTarget, WorkloadUid);

/// A limit, its service, and what that has said.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) limit: Arc<GlobalRateLimit>,
    pub(super) counts: Arc<Counts>,
    pub(super) target: Target,
    /// Host and port of the service.
    pub(super) authority: Box<str>,
}

impl WorkerServices {
    /// A limit of `program`, whose service is called in the name of `own`.
    pub(super) fn bound(
        &self,
        shared: &GlobalLimits,
        program: &Program,
        limiting: &Limiting<'_>,
        limit: &Arc<GlobalRateLimit>,
        own: &Workload,
    ) -> Rc<Bound> {
        let asking = (limit.id.clone(), limiting.target.clone(), own.uid.clone());
        let bind = || {
            Rc::new(Bound {
                limit: limit.clone(),
                counts: shared.counts(program, limiting, limit),
                target: limit_service(program, own, limit),
                authority: format!("{}:{}", limit.host, limit.port).into(),
            })
        };
        Rc::clone(self.0.borrow_mut().of(program.version()).entry(asking).or_insert_with(bind))
    }
}

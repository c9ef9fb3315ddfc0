//! Limits that services count, as one worker asks about them.

use std::{cell::RefCell, collections::HashMap, rc::Rc, sync::Arc};

use ripstop_decide::{Limiting, Program, Target, limit_service};
use ripstop_model::{GlobalRateLimit, RuleId, TrafficTarget, Workload, WorkloadUid};

use crate::global_limits::{Counts, GlobalLimits};

/// One worker's limits that services count.
#[derive(Debug, Default)]
pub struct WorkerServices(RefCell<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Of which configuration.
    version: u64,
    bound: HashMap<Asking, Rc<Bound>>,
}

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
        let known = &mut *self.0.borrow_mut();
        // What is under way by an older configuration may come after the newer one: it costs a look-up, no more.
        if known.version != program.version() {
            known.bound.clear();
            known.version = program.version();
        }
        let asking = (limit.id.clone(), limiting.target.clone(), own.uid.clone());
        let bind = || {
            Rc::new(Bound {
                limit: limit.clone(),
                counts: shared.counts(program, limiting, limit),
                target: limit_service(program, own, limit),
                authority: format!("{}:{}", limit.host, limit.port).into(),
            })
        };
        Rc::clone(known.bound.entry(asking).or_insert_with(bind))
    }
}

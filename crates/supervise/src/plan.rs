//! What to do next for one process: a pure function from what is wanted and what exists.

/// One instance, as the plan sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Existing {
    /// Its ordinal.
    pub(crate) ordinal: u32,
    /// Whether it was started from the present specification.
    pub(crate) current: bool,
    /// Whether it takes traffic.
    pub(crate) ready: bool,
    /// Whether someone stopped it: it is not waited for, and its replacement stays down too.
    pub(crate) stopped: bool,
}

/// The next step towards what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Start an instance of that ordinal.
    Create(u32),
    /// End that instance.
    Remove(u32),
    /// End that stopped instance and put a stopped one of the present specification in its place.
    ReplaceStopped(u32),
    /// Wait until a new instance is ready.
    Await,
    /// All is as it is wanted.
    Done,
}

/// The next step. New instances are ready before old ones end, one by one; ordinals are the lowest
/// free ones.
pub(crate) fn next_step(replicas: u32, existing: &[Existing]) -> Step {
    let wanted = replicas as usize;
    let current = existing.iter().filter(|instance| instance.current).count();
    if let Some(stopped) = existing.iter().find(|instance| !instance.current && instance.stopped) {
        return if existing.len() > wanted {
            Step::Remove(stopped.ordinal)
        } else {
            Step::ReplaceStopped(stopped.ordinal)
        };
    }
    if existing.len() < wanted {
        return Step::Create(lowest_free(existing));
    }
    // Of the old ones, those that serve nothing go first.
    let old = existing.iter().filter(|instance| !instance.current);
    let Some(oldest) = old.min_by_key(|old| (old.ready, old.ordinal)).map(|old| old.ordinal) else {
        let surplus = existing.iter().map(|instance| instance.ordinal).max().filter(|_| existing.len() > wanted);
        return surplus.map_or(Step::Done, Step::Remove);
    };
    if wanted == 0 {
        return Step::Remove(oldest);
    }
    let settled =
        existing.iter().filter(|instance| instance.current).all(|instance| instance.ready || instance.stopped);
    match (settled, current < wanted) {
        (false, _) => Step::Await,
        (true, true) if existing.len() == wanted => Step::Create(lowest_free(existing)),
        (true, _) => Step::Remove(oldest),
    }
}

fn lowest_free(existing: &[Existing]) -> u32 {
    (0..=u32::MAX).find(|ordinal| existing.iter().all(|instance| instance.ordinal != *ordinal)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;

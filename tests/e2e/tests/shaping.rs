//! What rules do to requests besides choosing where they go, at the caller's node.

#[path = "shaping/affinity.rs"]
mod affinity;
#[path = "shaping/answers.rs"]
mod answers;
#[path = "shaping/balancing.rs"]
mod balancing;
#[path = "shaping/checks.rs"]
mod checks;
#[path = "shaping/connecting.rs"]
mod connecting;
#[path = "shaping/cutover.rs"]
mod cutover;
#[path = "shaping/deadlines.rs"]
mod deadlines;
#[path = "shaping/defaults.rs"]
mod defaults;
#[path = "shaping/delivery.rs"]
mod delivery;
#[path = "shaping/ejections.rs"]
mod ejections;
#[path = "shaping/global_limits.rs"]
mod global_limits;
#[path = "shaping/limits.rs"]
mod limits;
#[path = "shaping/matches.rs"]
mod matches;
#[path = "shaping/mirrors.rs"]
mod mirrors;
#[path = "shaping/pools.rs"]
mod pools;
#[path = "shaping/processes.rs"]
mod processes;
#[path = "shaping/rates.rs"]
mod rates;
#[path = "shaping/resilience.rs"]
mod resilience;
#[path = "shaping/retries.rs"]
mod retries;
#[path = "shaping/scopes.rs"]
mod scopes;

//! Recorded streams of frames, each changed in some place: what we make of them is what the `h2` crate makes of them,
//! or the difference is one that we know and stand by.
#![allow(missing_docs)]

#[path = "mutation/differences.rs"]
mod differences;
#[path = "mutation/ours.rs"]
mod ours;
#[path = "mutation/recorded.rs"]
mod recorded;
#[path = "mutation/theirs.rs"]
mod theirs;
mod wire;

use std::collections::BTreeMap;

use ripstop_h2::Role;

/// What became of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Verdict {
    /// The error that ended it: its code, and what we say of it.
    error: Option<(String, &'static str)>,
    /// Each stream that came to anything.
    streams: BTreeMap<u32, String>,
}

/// Streams of frames for each role.
const SEEDS: u64 = 3_000;

/// How many of them must be judged alike, for each role.
const ALIKE: usize = 2_000;

/// The first difference of two verdicts, in words.
fn difference(ours: &Verdict, theirs: &Verdict) -> Option<(String, String)> {
    let error = |verdict: &Verdict| verdict.error.as_ref().map(|(code, reason)| format!("{code} {reason}"));
    match (error(ours), error(theirs)) {
        (None, None) => {}
        (Some(_), Some(_)) if ours.error.as_ref().map(|it| &it.0) == theirs.error.as_ref().map(|it| &it.0) => {
            return None;
        }
        (one, other) => {
            // If the connection goes on, some stream may have suffered instead.
            let instead = |verdict: &Verdict| {
                let reset = verdict.streams.values().find(|text| text.starts_with("reset"));
                reset.map_or("goes on", |text| text).to_owned()
            };
            return Some((one.unwrap_or_else(|| instead(ours)), other.unwrap_or_else(|| instead(theirs))));
        }
    }
    let stream = |verdict: &Verdict, id| verdict.streams.get(&id).map_or("nothing", |text| text).to_owned();
    let ids = ours.streams.keys().chain(theirs.streams.keys());
    let (one, other) = ids.map(|&id| (stream(ours, id), stream(theirs, id))).find(|(one, other)| one != other)?;
    // How much was taken counts only if both took something.
    let both = one.contains("bytes") && other.contains("bytes");
    let coarse = |text: String| if text.contains("bytes") && !both { "taken".to_owned() } else { text };
    Some((coarse(one), coarse(other)))
}

/// Each class of differences, with how many there were and one seed of it.
type Classes = BTreeMap<(String, String), (usize, u64)>;

/// Judges all streams of frames; fails if there are differences that nobody has judged, or too many.
fn compare(role: Role) -> Classes {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut counts = Classes::new();
    let mut same = 0;
    for seed in 0..SEEDS {
        let bytes = recorded::changed(role, seed);
        let ours = ours::verdict(role, &bytes);
        let theirs = runtime.block_on(theirs::verdict(role, &bytes));
        match difference(&ours, &theirs) {
            None => same += 1,
            Some(class) => counts.entry(class).or_insert((0, seed)).0 += 1,
        }
    }
    println!("{role:?}: {same} of {SEEDS} alike");
    let mut unknown = Vec::new();
    for ((ours, theirs), (count, seed)) in &counts {
        match differences::why(ours, theirs) {
            Some(why) => println!("{count:5} {ours} | {theirs}: {why}"),
            None => unknown.push(format!("{count:5}, seed {seed}: {ours} | {theirs}")),
        }
    }
    assert!(unknown.is_empty(), "differences that nobody has judged:\n{}", unknown.join("\n"));
    assert!(same >= ALIKE, "only {same} of {SEEDS} alike");
    counts
}

#[test]
fn what_is_sent_unchanged_is_taken_alike() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for role in [Role::Server, Role::Client] {
        for seed in 0..50 {
            let bytes = recorded::whole(role, seed);
            let ours = ours::verdict(role, &bytes);
            assert_eq!(ours.error, None, "seed {seed}");
            assert_eq!(ours, runtime.block_on(theirs::verdict(role, &bytes)), "seed {seed}");
        }
    }
}

#[test]
fn both_ends_judge_alike() {
    let [mut met, client] = std::thread::scope(|scope| {
        [Role::Server, Role::Client].map(|role| scope.spawn(move || compare(role))).map(|thread| thread.join().unwrap())
    });
    met.extend(client);
    let met: Vec<_> = met.into_keys().collect();
    assert_eq!(differences::stale(&met), [""; 0], "these are listed, but not met any more");
}

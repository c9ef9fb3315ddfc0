//! What RFC 9113, RFC 7541 and RFC 8441 ask of each end, row by row.

mod client;
mod compression;
mod content;
mod fields;
mod frames;
mod streams;

use super::*;

/// Something that happens.
enum Do {
    /// The peer sends.
    Peer(Vec<u8>),
    /// We answer a stream with 200.
    Answer(u32, End),
    /// We reset a stream.
    Reset(u32),
    /// We end in good order.
    Drain,
}

/// What happens, and what comes of it: all events, then all that we say.
struct Row {
    name: &'static str,
    steps: Vec<Do>,
    expected: &'static str,
}

fn row<S: Into<Do>, const N: usize>(name: &'static str, steps: [S; N], expected: &'static str) -> Row {
    Row { name, steps: steps.into_iter().map(Into::into).collect(), expected }
}

impl From<Vec<u8>> for Do {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Peer(bytes)
    }
}

/// Checks all rows, each on a connection of its own, and says all that differ.
fn check(bench: impl Fn() -> Bench, rows: Vec<Row>) {
    let mut wrong = Vec::new();
    let mut names: Vec<_> = rows.iter().map(|row| row.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), rows.len(), "two rows of one name");
    for row in rows {
        let found = run(&mut bench(), row.steps);
        if found != row.expected {
            wrong.push(format!("{}\n  expected: {}\n  found:    {found}", row.name, row.expected));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn run(bench: &mut Bench, steps: Vec<Do>) -> String {
    let mut events = Vec::new();
    for step in steps {
        match step {
            Do::Peer(bytes) => events.extend(bench.events(&bytes, true)),
            Do::Answer(id, end) => bench.answer(id, end),
            Do::Reset(id) => {
                let stream = bench.stream(id);
                bench.connection.reset(stream, Code::CANCEL);
            }
            Do::Drain => bench.connection.drain(bench.now),
        }
    }
    format!("{} | {}", events.join(", "), bench.said().join(", ")).trim().to_owned()
}

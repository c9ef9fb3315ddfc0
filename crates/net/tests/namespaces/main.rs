//! Stories of this crate in real namespaces, without and with root.
//!
//! The test binary makes a world with [`WorldSpawn`] and runs itself as its PID 1, where the stories make namespaces of
//! their own. Started by root it does so twice: as root, and as an ordinary user.

mod bed;
mod capture;
mod enrolment;
mod harness;
mod plumbing;
mod probe;
mod process;
mod services;
mod world;

use std::process::ExitCode;

/// Of the binary run as PID 1 of a world.
const IN_WORLD: &str = "--in-world";
/// Of the binary run as a program inside a workload.
const PROBE: &str = "--probe";
/// Of the binary run as the outer process that is to be killed.
const OUTER: &str = "--outer";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some(IN_WORLD) => harness::run("in the world", &arguments[1..], &stories()),
        Some(PROBE) => probe::run(&arguments[1..]),
        Some(OUTER) => world::outer(&arguments[1..]),
        _ => harness::run_everywhere(&arguments, &world::stories()),
    }
}

/// The stories told inside of a world.
fn stories() -> Vec<harness::Story> {
    [plumbing::stories(), process::stories(), capture::stories(), enrolment::stories(), services::stories()].concat()
}

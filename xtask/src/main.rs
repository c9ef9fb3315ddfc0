//! Chores of the repository: `cargo run -p xtask -- generate` writes the
//! protobuf code of `ripstop-wire` anew, `cargo run -p xtask -- findings` the page
//! `docs/findings.md`, `cargo run -p xtask -- fields` the page `docs/fields.md`.

mod fields;
mod findings;
mod generate;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo run -p xtask -- generate|findings|fields";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let outcome = match (args.next().as_deref(), args.next()) {
        (Some("generate"), None) => generate::write(),
        (Some("findings"), None) => findings::write(),
        (Some("fields"), None) => fields::write(),
        _ => Err(anyhow::anyhow!(USAGE)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

use crate::harness::Story;
use std::process::ExitCode;
pub fn stories() -> Vec<Story> { vec![] }
pub fn outer(_: &[String]) -> ExitCode { ExitCode::SUCCESS }

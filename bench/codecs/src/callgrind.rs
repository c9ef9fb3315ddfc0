//! Counting instructions with valgrind's callgrind.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

#[cfg(test)]
mod tests;

/// Has the C library copy and compare as it does on any CPU of this architecture, not as this one could: figures should
/// not depend on where they are made.
const PLAIN_CPU: (&str, &str) = ("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-AVX_Fast_Unaligned_Load");

/// The version of valgrind, if it is here.
pub fn version() -> Option<String> {
    let output = Command::new("valgrind").arg("--version").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a program; how many instructions it executed. What callgrind wrote stays in `out` for `callgrind_annotate`.
pub fn count(program: &Path, args: &[&str], out: &Path) -> anyhow::Result<u64> {
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(args)
        .env(PLAIN_CPU.0, PLAIN_CPU.1)
        .output()
        .context("valgrind does not start")?;
    if !output.status.success() {
        bail!("valgrind {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let text = std::fs::read_to_string(out).with_context(|| out.display().to_string())?;
    total(&text).with_context(|| format!("{} has no total", out.display()))
}

/// The total of a callgrind file.
fn total(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
}

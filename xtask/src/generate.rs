//! Compiles `crates/wire/proto` without `protoc`: protox reads the files,
//! tonic-prost-build makes and formats the code. The result is committed, so
//! that a build of the product compiles no protobuf.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, ensure};

/// Package in the proto files, and module of `ripstop-wire` that holds its code.
const MODULES: &[(&str, &str)] = &[
    ("envoy.service.discovery.v3", "discovery"),
    ("istio.workload", "workload"),
    ("ripstop.v1", "ripstop"),
    ("istio.v1.auth", "ca"),
    ("grpc.health.v1", "health"),
    ("envoy.service.ratelimit.v3", "rate_limit"),
];

/// Writes all files below `crates/wire/src/generated`.
pub(crate) fn write() -> Result<()> {
    let directory = wire().join("src/generated");
    fs::create_dir_all(&directory).with_context(|| format!("create {}", directory.display()))?;
    for (name, code) in render()? {
        let path = directory.join(name);
        fs::write(&path, code).with_context(|| format!("write {}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// File name and content of every generated file.
fn render() -> Result<Vec<(String, String)>> {
    let proto = wire().join("proto");
    let mut files = Vec::new();
    for entry in fs::read_dir(&proto).with_context(|| format!("read {}", proto.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    let descriptors = protox::compile(&files, [&proto]).context("compile the proto files")?;

    let scratch = Scratch::new()?;
    tonic_prost_build::configure()
        .out_dir(&scratch.0)
        .emit_rerun_if_changed(false)
        // Sorted maps: equal messages have equal bytes, which content hashes rely on.
        .btree_map(".")
        .bytes(".")
        .compile_fds(descriptors)
        .context("generate code")?;

    let made = fs::read_dir(&scratch.0)?.count();
    ensure!(
        made == MODULES.len(),
        "{made} packages were generated, {} are known: add the new package to MODULES",
        MODULES.len()
    );
    MODULES
        .iter()
        .map(|(package, module)| {
            let path = scratch.0.join(format!("{package}.rs"));
            let code = fs::read_to_string(&path).with_context(|| format!("package {package} was not generated"))?;
            // prost-build has formatted it already, with prettyplease.
            let header = "// Made by `cargo run -p xtask -- generate`; do not edit.\n";
            Ok((format!("{module}.rs"), format!("{header}{code}")))
        })
        .collect()
}

fn wire() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../crates/wire")
}

/// A directory that vanishes with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("ripstop-generate-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing depends on it; a leftover in the temporary directory is harmless.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests;

//! Replays the corpora of the fuzz targets.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

#[path = "../../../fuzz/bodies.rs"]
mod bodies;

/// Seeds that a target has at least.
const SEEDS: usize = 12;

type Body = fn(&[u8]);

/// Every target, with its body.
const TARGETS: [(&str, Body); 21] = [
    ("api_parse", bodies::api_parse),
    ("dns_answer", bodies::dns_answer),
    ("grpc_health", bodies::grpc_health),
    ("grpc_web", bodies::grpc_web),
    ("h1_connection", bodies::h1_connection),
    ("h1_meter", bodies::h1_meter),
    ("h1_request", bodies::h1_request),
    ("h1_response", bodies::h1_response),
    ("h2_client", bodies::h2_client),
    ("h2_hpack", bodies::h2_hpack),
    ("h2_meter", bodies::h2_meter),
    ("h2_oracle", bodies::h2_oracle),
    ("h2_pair", bodies::h2_pair),
    ("h2_server", bodies::h2_server),
    ("identity_peer_id", bodies::identity_peer_id),
    ("mesh_explain", bodies::mesh_explain),
    ("proxy_protocol", bodies::proxy_protocol),
    ("tls_records", bodies::tls_records),
    ("tunnel_authority", bodies::tunnel_authority),
    ("wire_delta", bodies::wire_delta),
    ("wire_snapshot", bodies::wire_snapshot),
];

#[test]
fn every_seed_holds() -> Result<()> {
    for (target, body) in TARGETS {
        let corpus = fuzz().join("corpus").join(target);
        let mut seeds = 0;
        for entry in fs::read_dir(&corpus).with_context(|| format!("reading {}", corpus.display()))? {
            let path = entry?.path();
            let bytes = fs::read(&path)?;
            let _told_if_it_panics = Replayed(&path);
            body(&bytes);
            seeds += 1;
        }
        ensure!(seeds >= SEEDS, "{target} has only {seeds} seeds");
    }
    Ok(())
}

#[test]
fn every_target_is_replayed() -> Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(fuzz().join("fuzz_targets"))? {
        let path = entry?.path();
        files.push(path.file_stem().and_then(|name| name.to_str()).context("a name")?.to_owned());
    }
    files.sort();
    ensure!(files.iter().eq(TARGETS.iter().map(|(name, _)| name)), "{files:?} are there, replayed are {TARGETS:?}");
    Ok(())
}

fn fuzz() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz"))
}

/// Names the seed when the body panics.
struct Replayed<'a>(&'a Path);

impl Drop for Replayed<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the seed was {}", self.0.display());
        }
    }
}

//! Arrows point down only: which of our crates may use which (ARCHITECTURE.md, "The house").

use std::{collections::BTreeMap, path::Path, process::Command};

/// Crate → the crates of ours that it may use (without tests).
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("api", &[]),
    ("net", &[]),
    ("kept", &[]),
    ("proxy-protocol", &[]),
    ("grpc-web", &[]),
    ("h1", &["kept"]),
    ("h2", &["kept"]),
    ("tls", &[]),
    ("pem", &[]),
    ("balance", &["model"]),
    ("decide", &["model"]),
    ("dns", &["model"]),
    ("telemetry", &["model"]),
    ("tunnel", &["h2", "model", "net", "tls"]),
    ("exchange", &["h1", "h2", "tls", "tunnel"]),
    ("load", &["exchange", "h1", "h2"]),
    ("wire", &["model"]),
    ("identity", &["model"]),
    ("compile", &["api", "model", "pem"]),
    ("explain", &["api", "compile", "decide", "model"]),
    ("store", &["api"]),
    ("xds", &["wire", "model", "identity"]),
    ("agent", &["decide", "dns", "identity", "model", "net", "telemetry", "wire", "xds"]),
    (
        "proxy",
        &[
            "balance",
            "decide",
            "dns",
            "exchange",
            "grpc-web",
            "h1",
            "h2",
            "identity",
            "model",
            "net",
            "pem",
            "proxy-protocol",
            "telemetry",
            "tls",
            "tunnel",
            "wire",
            "xds",
        ],
    ),
    ("control", &["api", "compile", "decide", "explain", "identity", "model", "net", "store", "telemetry", "wire"]),
    ("supervise", &["identity", "model", "net", "wire", "xds"]),
];

/// What the data plane must never depend on, however indirectly.
const ABOVE_THE_DATA_PLANE: &[&str] = &["api", "compile", "store", "control", "supervise", "kube"];

#[test]
fn arrows_point_down() {
    let crates = our_crates();
    let allowed: BTreeMap<&str, &[&str]> = ALLOWED.iter().copied().collect();
    for (name, uses) in &crates {
        let may = allowed.get(name.as_str()).unwrap_or_else(|| panic!("crate {name} has no row in this test"));
        for used in uses {
            assert!(may.contains(&used.as_str()), "{name} must not use {used}; it may use {may:?}");
        }
    }
    for name in allowed.keys() {
        assert!(crates.contains_key(*name), "there is no crate {name}: remove its row");
    }
}

#[test]
fn the_data_plane_knows_no_configuration() {
    let crates = our_crates();
    let mut seen = vec!["proxy".to_owned()];
    let mut at = 0;
    while let Some(name) = seen.get(at).cloned() {
        for used in &crates[&name] {
            assert!(!ABOVE_THE_DATA_PLANE.contains(&used.as_str()), "the data plane reaches {used} through {name}");
            if !seen.contains(used) {
                seen.push(used.clone());
            }
        }
        at += 1;
    }
}

#[test]
fn pure_crates_have_no_io() {
    for name in [
        "model",
        "decide",
        "compile",
        "api",
        "explain",
        "balance",
        "kept",
        "proxy-protocol",
        "grpc-web",
        "h1",
        "h2",
        "tls",
        "pem",
    ] {
        let manifest = std::fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).unwrap();
        let normal = manifest.split("[dev-dependencies]").next().unwrap();
        for banned in ["tokio", "socket2", "rustix", "hyper", "notify", "libc"] {
            let used = normal.lines().any(|line| line.split(['.', ' ', '=']).next() == Some(banned));
            assert!(!used, "{name} is pure and must not depend on {banned}");
        }
    }
}

/// Each crate under `crates/` with those of ours that it uses, tests aside.
fn our_crates() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let below = format!("{}/crates/", metadata["workspace_root"].as_str().unwrap());
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .filter(|package| package["manifest_path"].as_str().unwrap().starts_with(&below))
        .map(|package| {
            let uses = package["dependencies"].as_array().unwrap().iter();
            let uses = uses
                .filter(|dependency| dependency["kind"].is_null())
                .filter_map(|dependency| dependency["name"].as_str().unwrap().strip_prefix("ripstop-"))
                .map(ToOwned::to_owned)
                .collect();
            (package["name"].as_str().unwrap().trim_start_matches("ripstop-").to_owned(), uses)
        })
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

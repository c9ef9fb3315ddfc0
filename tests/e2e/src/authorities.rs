//! Certificates for stories, made by `openssl`.

use std::{fmt::Write as _, fs, process::Command};

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ripstop_world::World;

/// An authority `NAME.pem`, with its key, among the files of the world.
pub fn authority(world: &World, name: &str) -> Result<()> {
    run(
        world,
        &format!(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /O={name} \
             -keyout {name}.key -out {name}.pem"
        ),
    )
}

/// A certificate `FILE.pem` with `FILE.key` for `host`, by an authority.
pub fn certificate(world: &World, authority: &str, file: &str, host: &str) -> Result<()> {
    certificate_of(world, authority, file, host, "ec -pkeyopt ec_paramgen_curve:P-256")
}

/// As [`certificate`], with the key that these words of `openssl req -newkey` make.
pub fn certificate_of(world: &World, authority: &str, file: &str, host: &str, key: &str) -> Result<()> {
    run(
        world,
        &format!(
            "openssl req -newkey {key} -nodes -subj /CN={host} -keyout {file}.key -out {file}.csr
            printf 'subjectAltName=DNS:{host}\\nextendedKeyUsage=serverAuth,clientAuth\\nbasicConstraints=critical,CA:FALSE\\n' > {file}.ext
            openssl x509 -req -in {file}.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial -days 2 \
            -extfile {file}.ext -out {file}.pem"
        ),
    )
}

/// A `Secret` in the namespace of the gateway; `data` names keys and the files that hold their values.
pub fn secret(world: &World, name: &str, data: &[(&str, &str)]) -> Result<String> {
    let mut text =
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: istio-system}}\ndata:\n");
    for (key, file) in data {
        let content = fs::read(world.path(file)).with_context(|| format!("reading {file}"))?;
        writeln!(text, "  {key}: {}", STANDARD.encode(content))?;
    }
    Ok(text + "---\n")
}

/// The serial number of a certificate in a file.
pub fn serial(world: &World, file: &str) -> Result<String> {
    let shown = Command::new("openssl").args(["x509", "-noout", "-serial", "-in"]).arg(world.path(file)).output()?;
    ensure!(shown.status.success(), "{shown:?}");
    Ok(String::from_utf8(shown.stdout)?.trim().to_owned())
}

fn run(world: &World, script: &str) -> Result<()> {
    let script = format!("set -e\n{script}\nchmod a+r *.pem *.key");
    let made = Command::new("sh").args(["-c", &script]).current_dir(world.path("")).output()?;
    ensure!(made.status.success(), "{script}: {made:?}");
    Ok(())
}

//! Configuration of HAProxy (2.6 and newer).

use std::{fmt::Write as _, path::Path};

use super::{
    Hop, Side, WORKERS,
    certificates::{Certificates, name},
};

/// Bytes are passed on. It compares the common name and the DNS name of the other's certificate: of URIs
/// it knows nothing.
pub(super) fn configuration(side: Side, hops: &[Hop], certificates: &Certificates) -> String {
    let tls = format!(
        "ssl crt {} ca-file {} verify required ssl-min-ver TLSv1.3",
        certificates.chain_and_key(side).display(),
        certificates.authority().display(),
    );
    let other = name(side.other());
    let mut text = format!(
        "global\n  nbthread {WORKERS}\n  maxconn 4096\n\
         defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1m\n  timeout server 1m\n"
    );
    for Hop { listen, target } in hops {
        let (listen, target) = (format!("{}:{}", listen.0, listen.1), format!("{}:{}", target.0, target.1));
        let section = match side {
            Side::Near => format!("  bind {listen}\n  server far {target} {tls} verifyhost {other}\n"),
            Side::Far => format!(
                "  bind {listen} {tls}\n  tcp-request session reject unless {{ ssl_c_s_dn(cn) -m str {other} }}\n  \
                 server near {target}\n"
            ),
        };
        // Writing into a string cannot fail.
        let _ = write!(text, "listen {listen}\n{section}");
    }
    text
}

/// What starts it: one process in the foreground.
pub(super) fn command(path: &Path) -> String {
    format!("haproxy -db -f {}", path.display())
}

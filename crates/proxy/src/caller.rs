//! Callers that do not wait until whom they called has answered.

use tokio::{io::Interest, net::TcpStream};

/// Ready when the caller has reset `stream`. One that has only ended its side may still wait for an answer.
pub async fn gave_up(stream: &TcpStream) {
    // An error of the runtime: then nobody waits for the caller either.
    let _ = stream.ready(Interest::ERROR).await;
}

#[cfg(test)]
mod tests;

//! A TCP echo.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncWriteExt, copy},
    net::TcpListener,
};

/// Sends back what it gets, for ever. With `greet` the caller's address comes first.
pub async fn run(listen: SocketAddr, greet: bool) -> Result<()> {
    let listener = TcpListener::bind(listen).await.with_context(|| format!("echo cannot listen on {listen}"))?;
    eprintln!("echo listens on {listen}");
    loop {
        let (mut stream, peer) = listener.accept().await?;
        tokio::spawn(async move {
            let served: Result<()> = async {
                stream.set_nodelay(true)?;
                if greet {
                    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                    stream.write_all(format!("{peer}\n").as_bytes()).await?;
                }
                let (mut read, mut write) = stream.split();
                copy(&mut read, &mut write).await?;
                write.shutdown().await?;
                Ok(())
            }
            .await;
            if let Err(error) = served {
                eprintln!("echo for {peer}: {error}");
            }
        });
    }
}

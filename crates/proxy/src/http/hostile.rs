//! Tests: whatever role reads requests, hostile peers stay within its limits.

use ripstop_model::{AppProtocol, PortSettings, ServerProtocol};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::testing::{
    Callee, Caller, Edge, Leads, Played, forward,
    hostile::{Crooked, Flood, crooked, drowns, refused},
    run,
};

/// Sends what is crooked: it is answered, and nothing of it is passed on, which `passed` would notice.
async fn is_refused(mut client: TcpStream, one: &Crooked, passed: impl Future<Output = TcpStream>) {
    // It may be answered, and ended, before all of it is there.
    let _ = client.write_all(one.bytes.as_bytes()).await;
    tokio::select! {
        biased;
        () = refused(&mut client, one) => {}
        _ = passed => panic!("{}: it was passed on", one.what),
    }
}

#[test]
fn at_a_gateway() {
    run(async {
        let server = Played::new().await;
        let leads = Leads::To(server.address());
        let edge = Edge::new(ServerProtocol::Http, leads, PortSettings::default(), forward()).await;
        for one in crooked() {
            is_refused(edge.connect().await, &one, server.accept()).await;
        }
        for flood in Flood::ALL {
            drowns(edge.connect().await, flood).await;
        }
    });
}

#[test]
fn at_the_node_of_a_caller() {
    run(async {
        let server = Played::new().await;
        caller(&Caller::new(AppProtocol::Http11, &server).await, &server).await;
    });
}

#[test]
fn at_the_sidecar_of_a_caller() {
    run(async {
        let server = Played::new().await;
        caller(&Caller::with_sidecar(AppProtocol::Http11, &server).await, &server).await;
    });
}

async fn caller(caller: &Caller, server: &Played) {
    for one in crooked() {
        is_refused(caller.sent(b"").await, &one, server.accept()).await;
    }
    for flood in Flood::ALL {
        drowns(caller.sent(b"").await, flood).await;
    }
}

#[test]
fn at_the_node_of_a_callee() {
    run(callee(Callee::new));
}

#[test]
fn at_the_sidecar_of_a_callee() {
    run(callee(Callee::with_sidecar));
}

async fn callee(new: impl AsyncFn() -> Callee) {
    let callee = new().await;
    for one in crooked() {
        let client = callee.sent("").await;
        is_refused(client, &one, async { callee.listener.accept().await.unwrap().0 }).await;
    }
    for flood in Flood::ALL {
        // What a flood asks for waits at the listener that takes callers' connections, too.
        drowns(new().await.sent("").await, flood).await;
    }
}

//! What a route changes.

use ripstop_exchange::{FieldChange, HeadChanges};

use crate::bed::{Plan, Proxy, Server, run};

#[test]
fn path_host_and_fields_change_as_the_route_says() {
    const REQUEST: HeadChanges<'_> = HeadChanges {
        path: Some(b"/v2?x"),
        authority: Some(b"backend:81"),
        fields: &[
            FieldChange::Set { name: b"x-set", value: b"new" },
            FieldChange::Add { name: b"x-add", value: b"two" },
            FieldChange::Remove { name: b"X-Gone" },
            FieldChange::Set { name: b"x-fresh", value: b"1" },
        ],
        ..HeadChanges::NONE
    };
    const RESPONSE: HeadChanges<'_> = HeadChanges {
        fields: &[FieldChange::Remove { name: b"server" }, FieldChange::Add { name: b"via", value: b"mesh" }],
        ..HeadChanges::NONE
    };
    run(async {
        let server = Server::new().await;
        let plan = Plan { request: REQUEST, response: RESPONSE, ..Plan::default() };
        let proxy = Proxy::with(vec![server.address()], plan).await;
        let mut client = proxy.connect().await;
        client
            .say("GET /v1 HTTP/1.1\r\nHost: shop\r\nX-Set: old\r\nX-Add: one\r\nx-gone: 1\r\nX-SET: older\r\nX-Gone: 2\r\nKeep: it\r\n\r\n")
            .await;
        let mut upstream = server.accept().await;
        upstream
            .hear("GET /v2?x HTTP/1.1\r\nHost: backend:81\r\nX-Add: one\r\nKeep: it\r\nx-set: new\r\nx-add: two\r\nx-fresh: 1\r\n\r\n")
            .await;
        upstream.say("HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: 0\r\n\r\n").await;
        client.hear("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nvia: mesh\r\n\r\n").await;
    });
}

#[test]
fn a_client_cannot_have_a_field_of_the_route_taken_away() {
    const REQUEST: HeadChanges<'_> =
        HeadChanges { fields: &[FieldChange::Set { name: b"x-user", value: b"real" }], ..HeadChanges::NONE };
    run(async {
        let server = Server::new().await;
        let proxy = Proxy::with(vec![server.address()], Plan { request: REQUEST, ..Plan::default() }).await;
        let mut client = proxy.connect().await;
        client.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: x-user\r\nX-User: forged\r\n\r\n").await;
        server.accept().await.hear("GET / HTTP/1.1\r\nHost: a\r\nx-user: real\r\n\r\n").await;
    });
}

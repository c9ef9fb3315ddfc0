use super::*;

fn gateway(server_name: Option<&str>) -> Standpoint {
    Standpoint::Gateway(Entrance { port: 443, server_name: server_name.map(str::to_owned) })
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn callers_of_a_gateway_are_outside() {
    let client = at("192.0.2.1:4000");
    assert_eq!(gateway(None).origin(client), Origin::Outside { client: Some(client.ip()) });
    assert_eq!(Standpoint::Node.origin(client), Origin::Caller);
}

#[test]
fn tls_without_a_server_name_is_tls() {
    assert_eq!(gateway(Some("")).transport(), Transport::Tls);
    assert_eq!(gateway(Some("a.example")).transport(), Transport::Tls);
    assert_eq!(gateway(None).transport(), Transport::Plain);
    assert_eq!(Standpoint::Node.transport(), Transport::Plain);
}

#[test]
fn a_gateway_does_not_call_itself() {
    let called = at("10.0.0.1:443");
    assert_eq!(gateway(None).original(called), at("0.0.0.0:0"));
    assert_eq!(Standpoint::Node.original(called), called);
}

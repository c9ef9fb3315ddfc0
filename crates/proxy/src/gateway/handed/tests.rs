use super::*;

fn read(text: &str, fds: Vec<OwnedFd>) -> Option<(u16, String)> {
    let message = Message { data: text.as_bytes().to_vec(), fds, truncated: false };
    Handed::read(message).map(|handed| (handed.port, handed.peer.to_string()))
}

fn descriptor() -> Vec<OwnedFd> {
    vec![std::fs::File::open("/dev/null").unwrap().into()]
}

#[test]
fn a_connection_comes_with_port_and_peer() {
    let told = r#"{"port": 80, "peer": "127.0.0.1:40000"}"#;
    assert_eq!(read(told, descriptor()), Some((80, "127.0.0.1:40000".into())));
    let mapped = r#"{"port": 443, "peer": "[::ffff:192.0.2.1]:5"}"#;
    assert_eq!(read(mapped, descriptor()), Some((443, "192.0.2.1:5".into())), "IPv4 is told as such");
    assert_eq!(read(told, Vec::new()), None, "no descriptor");
    for wrong in
        ["", "{}", r#"{"port": 80}"#, r#"{"port": 70000, "peer": "127.0.0.1:1"}"#, r#"{"port": 80, "peer": "x"}"#]
    {
        assert_eq!(read(wrong, descriptor()), None, "{wrong}");
    }
}

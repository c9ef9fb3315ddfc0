use super::*;

fn text<T: Serialize>(message: &T) -> String {
    String::from_utf8(line(message).unwrap()).unwrap()
}

#[test]
fn messages_look_as_documented() {
    assert_eq!(text(&FromClient::Signal(2)), "{\"signal\":2}\n");
    assert_eq!(text(&FromClient::Winsize(24, 80)), "{\"winsize\":[24,80]}\n");
    assert_eq!(text(&ToClient::Exit(Exit::Code(3))), "{\"exit\":{\"code\":3}}\n");
    assert_eq!(text(&ToClient::Exit(Exit::Signal(9))), "{\"exit\":{\"signal\":9}}\n");
    let started = ToClient::Started { instance: "sh-a1b2c".into(), pid: 7, ip: "10.244.1.2".into() };
    assert_eq!(text(&started), "{\"started\":{\"instance\":\"sh-a1b2c\",\"pid\":7,\"ip\":\"10.244.1.2\"}}\n");
}

#[test]
fn lines_come_out_whole_however_they_are_cut() {
    let request = RunRequest { namespace: "a".into(), argv: vec!["sh".into()], cwd: "/".into(), ..Default::default() };
    let mut bytes = line(&request).unwrap();
    bytes.extend(line(&FromClient::Signal(15)).unwrap());
    for chunk in 1..bytes.len() {
        let mut lines = Lines::default();
        let mut seen = (None, None);
        for piece in bytes.chunks(chunk) {
            lines.push(piece).unwrap();
            if seen.0.is_none() {
                seen.0 = lines.next::<RunRequest>().unwrap();
            }
            if seen.0.is_some() && seen.1.is_none() {
                seen.1 = lines.next::<FromClient>().unwrap();
            }
        }
        assert_eq!(seen, (Some(request.clone()), Some(FromClient::Signal(15))));
    }
}

#[test]
fn a_short_request_has_defaults() {
    let mut lines = Lines::default();
    lines.push(b"{\"namespace\":\"a\",\"argv\":[\"id\"],\"cwd\":\"/\"}\n").unwrap();
    let request: RunRequest = lines.next().unwrap().unwrap();
    assert_eq!((request.service_account, request.node, request.tty), (None, None, false));
}

#[test]
fn nonsense_and_endless_lines_are_refused() {
    let mut lines = Lines::default();
    lines.push(b"GET / HTTP/1.1\n").unwrap();
    assert!(lines.next::<FromClient>().unwrap_err().to_string().contains("broke the protocol"));
    let mut endless = Lines::default();
    endless.push(&vec![b'x'; MAX_LINE]).unwrap();
    assert!(endless.push(b"x").is_err());
}

#[test]
fn shells_see_signals_as_128_and_more() {
    assert_eq!(Exit::Signal(15).shell_status(), 143);
    assert_eq!(Exit::Code(4).shell_status(), 4);
}

use super::*;

#[test]
fn questions_and_answers_survive_the_wire() {
    for destination in ["192.0.2.1:443", "[2001:db8::1]:80"] {
        let ask = Ask { destination: destination.parse().unwrap(), limit: Duration::from_millis(250) };
        assert_eq!(Ask::decode(&ask.encode()), Some(ask));
        let long = Ask { limit: Duration::MAX, ..ask };
        assert_eq!(Ask::decode(&long.encode()), Some(Ask { limit: LONGEST, ..ask }));
    }
    for answer in [Answer::Connected, Answer::Failed, Answer::Inside] {
        assert_eq!(Answer::decode(answer.encode()), Some(answer));
    }
}

#[test]
fn whatever_else_comes_is_none() {
    assert_eq!(Ask::decode(b"GET / HTTP/1.1\r\nHost: a.ex"), None);
    assert_eq!(Answer::decode(b'H'), None);
    // Nobody asks for longer than that by other means.
    let mut bytes = Ask { destination: "192.0.2.1:443".parse().unwrap(), limit: LONGEST }.encode();
    bytes[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(Ask::decode(&bytes).unwrap().limit, LONGEST);
}

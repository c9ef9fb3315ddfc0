use super::*;

fn codec(request: Coding, answer: Coding) -> Codec {
    Codec { request: (request == Coding::Text).then(Decoder::default), answer }
}

#[test]
fn bodies_are_written_as_their_types_say() {
    let mut out = Vec::new();
    let mut binary = codec(Coding::Binary, Coding::Binary);
    binary.request(b"\0\0\0\0\x01a", &mut out).unwrap();
    assert_eq!((out.as_slice(), binary.end_request()), (&b"\0\0\0\0\x01a"[..], Ok(())));
    out.clear();
    let status: [(&[u8], &[u8]); 1] = [(b"grpc-status", b"0")];
    binary.answer(b"answer", &mut out);
    binary.end_answer(&mut status.into_iter(), &mut out).unwrap();
    assert_eq!(out, b"answer\x80\0\0\0\x10grpc-status: 0\r\n");

    out.clear();
    let mut text = codec(Coding::Text, Coding::Text);
    text.request(b"AAAAAAF", &mut out).unwrap();
    assert!(text.end_request().is_err(), "it is cut off");
    text.request(b"h", &mut out).unwrap();
    assert_eq!((out.as_slice(), text.end_request()), (&b"\0\0\0\0\x01a"[..], Ok(())));
    assert!(text.request(b"?", &mut out).is_err());
    out.clear();
    text.answer(b"a", &mut out);
    text.end_answer(&mut status.into_iter(), &mut out).unwrap();
    assert_eq!(out, b"YQ==gAAAABBncnBjLXN0YXR1czogMA0K");
}

use super::*;

#[test]
fn a_frame_says_how_long_it_is() {
    let mut out = b"before".to_vec();
    let fields: [(&[u8], &[u8]); 2] = [(b"grpc-status", b"0"), (b"grpc-message", b"")];
    trailers(fields, &mut out).unwrap();
    assert_eq!(out, b"before\x80\0\0\0\x20grpc-status: 0\r\ngrpc-message: \r\n");
    out.clear();
    trailers([], &mut out).unwrap();
    assert_eq!(out, [0x80, 0, 0, 0, 0]);
}

#[test]
fn no_field_makes_another_one() {
    let broken: [(&[u8], &[u8]); 5] =
        [(b"a", b"b\r\nc: d"), (b"a", b"b\n"), (b"a\r\nb", b""), (b"a: b", b""), (b"", b"a")];
    for field in broken {
        assert_eq!(trailers([field], &mut Vec::new()), Err(Malformed::Trailer), "{field:?}");
    }
}

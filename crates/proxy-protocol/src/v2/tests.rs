use super::*;

fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, rest].concat()
}

fn whole(bytes: &[u8]) -> Result<Header, Malformed> {
    match parse(bytes)? {
        Parsed::Whole { header, length } => {
            assert_eq!(length, bytes.len());
            Ok(header)
        }
        Parsed::Partial => panic!("{bytes:?} is whole"),
    }
}

const V4: [u8; 12] = [192, 0, 2, 1, 10, 0, 0, 7, 0x9c, 0x40, 0, 80];

fn v4() -> Header {
    Header::Proxied { source: "192.0.2.1:40000".parse().unwrap(), destination: "10.0.0.7:80".parse().unwrap() }
}

#[test]
fn fields_behind_addresses_are_passed_over_if_they_are_whole() {
    let with = |fields: &[u8]| whole(&header(0x21, TCP4, &[&V4[..], fields].concat()));
    assert_eq!(with(&[]), Ok(v4()));
    // No operation, and a name of TLS.
    assert_eq!(with(&[4, 0, 0, 2, 0, 3, b'a', b'.', b'b']), Ok(v4()));
    for broken in [&[4][..], &[4, 0], &[4, 0, 1], &[4, 0, 0, 2, 0, 3, b'a', b'.']] {
        assert_eq!(with(broken), Err(Malformed::Field), "{broken:?}");
    }
}

#[test]
fn headers_that_name_nobody() {
    for bytes in [header(0x20, 0, &[]), header(0x20, 0x31, &[1, 2, 3]), header(0x20, TCP4, &V4), header(0x21, 0, &[9])]
    {
        assert_eq!(whole(&bytes), Ok(Header::Unnamed), "{bytes:?}");
    }
}

#[test]
fn nothing_is_repaired() {
    let refused = [
        (header(0x11, TCP4, &V4), Malformed::Version(1)),
        (header(0x31, TCP4, &V4), Malformed::Version(3)),
        (header(0x22, TCP4, &V4), Malformed::Command(2)),
        (header(0x21, 0x12, &V4), Malformed::Family),
        (header(0x21, 0x31, &[0; 216]), Malformed::Family),
        (header(0x21, 0x10, &V4), Malformed::Family),
        (header(0x21, TCP4, &V4[..11]), Malformed::Short),
        (header(0x21, TCP6, &[0; 35]), Malformed::Short),
        (header(0x21, TCP6, &V4), Malformed::Short),
    ];
    for (bytes, why) in refused {
        assert_eq!(whole(&bytes), Err(why), "{bytes:?}");
    }
}

#[test]
fn a_header_has_a_limit() {
    let fields = |room: usize| {
        let length = u16::try_from(room - FIELD).unwrap().to_be_bytes();
        [&V4[..], &[4], &length, &vec![0; room - FIELD]].concat()
    };
    assert_eq!(whole(&header(0x21, TCP4, &fields(LONGEST - FIXED - 12))), Ok(v4()));
    let long = header(0x21, TCP4, &fields(LONGEST - FIXED - 11));
    // Nothing of it is waited for.
    assert_eq!(parse(&long[..FIXED]), Err(Malformed::TooLong(LONGEST + 1)));
}

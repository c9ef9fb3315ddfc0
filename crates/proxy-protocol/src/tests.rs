use proptest::prelude::*;

use super::*;

fn address() -> impl Strategy<Value = SocketAddr> {
    (any::<IpAddr>(), any::<u16>()).prop_map(SocketAddr::from)
}

fn header() -> impl Strategy<Value = Header> {
    prop_oneof![
        1 => Just(Header::Unnamed),
        9 => (address(), address()).prop_map(|(source, destination)| Header::Proxied { source, destination }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_it_comes(header in header(), v1 in any::<bool>(), behind in any::<[u8; 5]>()) {
        let version = if v1 { Version::V1 } else { Version::V2 };
        let encoded = header.write(version);
        let bytes = encoded.as_ref();
        for cut in 0..bytes.len() {
            prop_assert_eq!(parse(&bytes[..cut]), Ok(Parsed::Partial));
        }
        let length = bytes.len();
        let expected = Ok(Parsed::Whole { header: header.of_one_family(), length });
        prop_assert_eq!(parse(bytes), expected);
        prop_assert_eq!(parse(&[bytes, &behind].concat()), expected);
    }

    #[test]
    fn what_is_refused_stays_refused_and_what_is_read_stays_as_it_is(bytes in any::<Vec<u8>>(), kind in 0..3) {
        let begin: &[u8] = [&b""[..], b"PROXY TCP4 ", b"\r\n\r\n\0\r\nQUIT\n\x21"][usize::try_from(kind).unwrap()];
        let bytes = [begin, &bytes].concat();
        let whole = parse(&bytes);
        for cut in 0..bytes.len() {
            match parse(&bytes[..cut]) {
                Ok(Parsed::Partial) => prop_assert!(cut < LONGEST_V2),
                told => prop_assert_eq!(told, whole),
            }
        }
    }
}

#[test]
fn addresses_of_two_families_are_written_as_those_of_ipv6() {
    let (source, destination) = ("192.0.2.1:40000".parse().unwrap(), "[2001:db8::7]:80".parse().unwrap());
    let line = Header::Proxied { source, destination }.write(Version::V1);
    assert_eq!(line.as_ref(), b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::7 40000 80\r\n");
}

#[test]
fn what_is_no_header_is_refused_at_its_first_byte_that_is_none() {
    for bytes in [&b"G"[..], b"\x16\x03\x01", b"PO", b"PROXY\t", b"\r\n\r\nG", b"\n", b"proxy "] {
        assert_eq!(parse(bytes), Err(Malformed::NoHeader), "{bytes:?}");
    }
    assert_eq!(parse(b""), Ok(Parsed::Partial));
}

//! Headers of the PROXY protocol, version 2. Those of version 1 are text.

use super::write;

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

pub fn seeds() {
    let put = |name: &str, bytes: &[u8]| write("proxy_protocol", name, bytes);
    let v4: &[u8] = &[192, 0, 2, 1, 10, 0, 0, 7, 0x9c, 0x40, 0, 80];
    let source = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let destination = [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
    let v6: &[u8] = &[&source[..], &destination, &[0x9c, 0x40, 1, 0xbb]].concat();
    put("v2-tcp4", &[&header(0x21, TCP4, v4)[..], b"\x16\x03\x01"].concat());
    put("v2-tcp6", &header(0x21, TCP6, v6));
    put("v2-local", &header(0x20, 0, &[]));
    put("v2-unspecified", &header(0x21, 0, &[4, 0, 0]));
    let fields = b"\x03\0\x04abcd\x04\0\x02\0\0\x02\0\x0bweb.example";
    put("v2-fields", &header(0x21, TCP4, &[v4, fields].concat()));
    put("v2-broken-field", &header(0x21, TCP4, &[v4, b"\x02\0\x0bweb"].concat()));
    put("v2-unix", &header(0x21, 0x31, &[0; 216]));
    put("v2-udp", &header(0x21, 0x12, v4));
    let padding = [&[4, 1, 0xe1][..], &[0; 481]].concat();
    put("v2-longest", &header(0x21, TCP6, &[v6, &padding].concat()));
    put("v2-too-long", &[SIGNATURE, &[0x21, TCP4, 0xff, 0xff]].concat());
    put("v2-version", &header(0x11, TCP4, v4));
}

fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let length = u16::try_from(rest.len()).expect("a short header").to_be_bytes();
    [SIGNATURE, &[command, family], &length, rest].concat()
}

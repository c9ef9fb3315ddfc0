//! Traffic that is mostly good, made from a seed.

#![allow(dead_code)] // each test uses what it needs

/// Numbers that look random and are the same each time (xorshift64*).
pub struct Seeded(u64);

impl Seeded {
    /// `seed` must not be 0.
    pub fn new(seed: u64) -> Self {
        assert_ne!(seed, 0);
        Self(seed)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(mixed).expect("31 bits") % bound
    }

    pub fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }

    /// Whether something happens that does so once in `of` times.
    pub fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }
}

/// Pieces that mutations put in.
const ODD: &[&[u8]] = &[
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b";",
    b"\"",
    b"\x80",
    b"\xff",
    b"\x7f",
    b"#",
    b"0x",
    b"+",
    b"-",
    b"_",
    b"chunked",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Host: b\r\n",
    b"\r\n x",
    b"Connection: close\r\n",
    b"HTTP/1.0",
    b"0\r\n\r\n",
    b"5;a=b\r\n",
    b"=",
    b"?",
    b"/",
    b"*",
    b"http://a",
];

const NAMES: &[&str] = &["Accept", "X-One", "x-two", "User-Agent", "Cookie", "Via", "X_Three", "!#$%&'*+-.^_`|~", "TE"];
const VALUES: &[&str] = &["", "a", "text/html, */*;q=0.5", "a b\tc", "\"quoted, text\"", "  padded \t", "x=y; z", ":"];

/// A few requests one after the other, then a few mutations, or none.
pub fn requests(random: &mut Seeded) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..=random.below(3) {
        request(random, &mut out);
    }
    mutate(random, &mut out);
    out
}

/// A method that was asked with, and a response, mutated or not.
pub fn response(random: &mut Seeded) -> (&'static str, Vec<u8>) {
    let mut out = Vec::new();
    let asked = random.pick(&["GET", "GET", "POST", "HEAD"]);
    while random.once_in(6) {
        line(&mut out, "HTTP/1.1 ", random.pick(&["100 Continue", "103 Early Hints", "102 "]));
        out.extend_from_slice(b"\r\n");
    }
    let version = random.pick(&["HTTP/1.1 ", "HTTP/1.1 ", "HTTP/1.1 ", "HTTP/1.0 "]);
    let status =
        random.pick(&["200 OK", "200 OK", "201 ", "404 Not Found", "204 No Content", "304 ", "500 \u{e9}", "205 "]);
    line(&mut out, version, status);
    fields(random, &mut out);
    let bodiless = asked == "HEAD" || status.starts_with("204") || status.starts_with("304");
    let kind = if status.starts_with("204") { 3 } else { random.below(4) };
    body(random, &mut out, kind, bodiless);
    mutate(random, &mut out);
    (asked, out)
}

fn request(random: &mut Seeded, out: &mut Vec<u8>) {
    let method = random.pick(&["GET", "GET", "POST", "PUT", "HEAD", "DELETE", "OPTIONS", "PATCH", "X-CUSTOM"]);
    let target =
        random.pick(&["/", "/a/b", "/a?b=c&d", "/%20", "/a;b=c/..", "//", "/a,b:c@d", "http://a/b?c", "/~a'()*!$&+="]);
    let version = random.pick(&["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"]);
    line(out, &format!("{method} {target} "), version);
    line(out, "Host: ", "a");
    fields(random, out);
    let kind = if version == "HTTP/1.0" { 3 } else { random.below(4) };
    body(random, out, if kind == 2 { 0 } else { kind }, false);
}

fn fields(random: &mut Seeded, out: &mut Vec<u8>) {
    for _ in 0..random.below(4) {
        let name = random.pick(NAMES);
        line(out, &format!("{name}:{}", random.pick(&[" ", "", "\t"])), random.pick(VALUES));
    }
    if random.once_in(5) {
        line(out, "Connection: ", random.pick(&["keep-alive", "close", "x-one", "Keep-Alive, x-two"]));
    }
}

/// The framing fields, the empty line and the body: 0 a length, 1 chunks, else nothing is said; `2` until the end.
fn body(random: &mut Seeded, out: &mut Vec<u8>, kind: usize, bodiless: bool) {
    let data = random.pick(&[&b"hello"[..], b"", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"0\r\n\r\n", b"\0\xff\r\n"]);
    match kind {
        0 => {
            line(out, "Content-Length: ", &data.len().to_string());
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(if bodiless { b"" } else { data });
        }
        1 => {
            line(out, "Transfer-Encoding: ", random.pick(&["chunked", "Chunked"]));
            out.extend_from_slice(b"\r\n");
            if bodiless {
                return;
            }
            for piece in data.chunks(4) {
                let extension = random.pick(&["", "", "", ";a", ";a=b;c=\"d e\""]);
                line(out, &format!("{:x}", piece.len()), extension);
                out.extend_from_slice(piece);
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(b"0\r\n");
            if random.once_in(4) {
                line(out, "X-Sum: ", "1");
            }
            out.extend_from_slice(b"\r\n");
        }
        2 if !bodiless => {
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(data);
        }
        _ => out.extend_from_slice(b"\r\n"),
    }
}

fn line(out: &mut Vec<u8>, start: &str, end: &str) {
    for part in [start, end, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
}

fn mutate(random: &mut Seeded, out: &mut Vec<u8>) {
    let times = random.below(4);
    for _ in 0..times {
        let at = random.below(out.len() + 1);
        let odd = random.pick(ODD);
        match random.below(5) {
            0 | 1 => drop(out.splice(at..at, odd.iter().copied())),
            2 if at < out.len() => drop(out.splice(at..=at, odd.iter().copied())),
            3 => {
                let end = out.len().min(at + 1 + random.below(3));
                drop(out.drain(at..end));
            }
            _ => {
                // A line twice.
                let start = out[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
                let end = out[at..].iter().position(|byte| *byte == b'\n').map_or(out.len(), |place| at + place + 1);
                let copy = out[start..end].to_vec();
                drop(out.splice(end..end, copy));
            }
        }
    }
}

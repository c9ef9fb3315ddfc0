//! Changes of any kind in any order.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::Version;

#[derive(Clone, Debug)]
enum Change {
    Method,
    Target(String),
    Origin,
    Authority(String),
    Set(usize, String),
    Remove(usize),
    Insert(&'static str, &'static str),
    Body(BodyKind),
    Forward,
}

fn any_change() -> impl Strategy<Value = Change> {
    const INSERTS: [(&str, &str); 6] = [
        ("a", "b"),
        ("", "b"),
        ("Connection", "close"),
        ("Connection", "Keep-Alive, upgrade"),
        ("Upgrade", "tcp/1"),
        ("Upgrade", "tcp 1"),
    ];
    const BODIES: [BodyKind; 4] = [BodyKind::None, BodyKind::Length(0), BodyKind::Length(12), BodyKind::Chunked];
    prop_oneof![
        Just(Change::Method),
        "[a-c]{0,3}".prop_map(|path| Change::Target(format!("/{path}"))),
        Just(Change::Origin),
        "[a-c]{0,3}".prop_map(Change::Authority),
        (0_usize..7, "[a-c]{0,3}").prop_map(|(position, text)| Change::Set(position, text)),
        (0_usize..7).prop_map(Change::Remove),
        prop::sample::select(INSERTS.to_vec()).prop_map(|(name, value)| Change::Insert(name, value)),
        prop::sample::select(BODIES.to_vec()).prop_map(Change::Body),
        Just(Change::Forward),
    ]
}

/// What [`REQUEST`] is to become, kept in the simplest way.
#[derive(Debug)]
struct Expected {
    method: &'static str,
    version: Version,
    target: String,
    absolute: bool,
    body: BodyKind,
    /// Name, value unless it is gone, and whether it is ours.
    fields: Vec<(&'static str, Option<String>, bool)>,
    lines: Vec<(&'static str, String)>,
}

impl Expected {
    fn new(version: Version) -> Self {
        let fields =
            [("Host", "a:1"), ("X-A", "1"), ("X-B", ""), ("Connection", "close, x-a"), ("Content-Length", "3")];
        Self {
            method: "GET",
            version,
            target: "http://a:1/x?y".to_owned(),
            absolute: true,
            body: BodyKind::Length(3),
            fields: fields
                .into_iter()
                .chain([("X-C", "3")])
                .map(|(name, is)| (name, Some(is.to_owned()), false))
                .collect(),
            lines: Vec::new(),
        }
    }

    fn apply(&mut self, change: &Change) -> Result<(), Reason> {
        match change {
            Change::Method => self.method = "POST",
            Change::Target(target) => (self.target, self.absolute) = (target.clone(), false),
            Change::Origin if self.absolute => (self.target, self.absolute) = ("/x?y".to_owned(), false),
            Change::Origin => {}
            Change::Authority(host) | Change::Set(0, host) => {
                if host.is_empty() {
                    return Err(Reason::BadHost);
                }
                self.fields[0].1 = Some(host.clone());
                if self.absolute {
                    self.target = format!("http://{host}/x?y");
                }
            }
            Change::Remove(0) => return Err(Reason::MissingHost),
            Change::Set(4, _) | Change::Remove(4) => return Err(Reason::Framing),
            Change::Set(6.., _) | Change::Remove(6..) => return Err(Reason::OutOfOrder),
            Change::Set(position, text) => {
                let (_, value, ours) = &mut self.fields[*position];
                *value.as_mut().ok_or(Reason::OutOfOrder)? = text.clone();
                *ours = true;
            }
            Change::Remove(position) => self.fields[*position].1 = None,
            Change::Insert("", _) => return Err(Reason::EmptyName),
            Change::Insert(_, "tcp 1") => return Err(Reason::BadUpgrade),
            Change::Insert(name, value) => self.lines.push((name, (*value).to_owned())),
            Change::Body(BodyKind::Chunked) if self.version == Version::Http10 => return Err(Reason::EncodingInHttp10),
            Change::Body(body) => {
                self.body = *body;
                self.fields[4].1 = None;
                self.lines.retain(|(name, _)| !["Content-Length", "Transfer-Encoding"].contains(name));
                match body {
                    BodyKind::Length(length) => self.lines.push(("Content-Length", length.to_string())),
                    BodyKind::Chunked => self.lines.push(("Transfer-Encoding", "chunked".to_owned())),
                    BodyKind::None | BodyKind::UntilClose => {}
                }
            }
            Change::Forward => {
                self.version = Version::Http11;
                for position in [1, 3] {
                    let (_, value, ours) = &mut self.fields[position];
                    if !*ours {
                        *value = None;
                    }
                }
            }
        }
        Ok(())
    }
}

proptest! {
    /// Whatever changes are taken, and in whatever order, what is written can be read and says what was asked for.
    #[test]
    fn changed_heads_are_heads(old in any::<bool>(), changes in vec(any_change(), 0..14)) {
        let original = if old { REQUEST.replace("HTTP/1.1", "HTTP/1.0") } else { REQUEST.to_owned() };
        let mut expected = Expected::new(if old { Version::Http10 } else { Version::Http11 });
        let mut parser = RequestParser::new(Limits::default());
        parser.parse(original.as_bytes()).unwrap().unwrap();
        let view = parser.head(original.as_bytes());
        let mut edits = Edits::new();
        let mut open = edits.request(view);
        for change in &changes {
            let done = match change {
                Change::Method => open.method(b"POST"),
                Change::Target(target) => open.target(target.as_bytes()),
                Change::Origin => open.origin_form(),
                Change::Authority(authority) => open.authority(authority.as_bytes()),
                Change::Set(position, text) => open.set(*position, text.as_bytes()),
                Change::Remove(position) => open.remove(*position),
                Change::Insert(name, value) => open.insert(name.as_bytes(), value.as_bytes()),
                Change::Body(body) => open.body(*body),
                Change::Forward => open.forward(),
            };
            prop_assert_eq!(done, expected.apply(change), "{:?}", change);
        }
        let asked = open.asked();
        let mut out = Vec::new();
        edits.write(view.as_bytes(), &mut out);
        let mut again = RequestParser::new(Limits::default());
        prop_assert_eq!(again.parse(&out).unwrap(), Some(out.len()));
        let head = again.head(&out);
        prop_assert_eq!((head.method(), head.target()), (expected.method.as_bytes(), expected.target.as_bytes()));
        prop_assert_eq!((head.version(), head.body()), (expected.version, expected.body));
        prop_assert_eq!(asked, Asked::of(&head));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let written: Vec<_> = head.fields().iter().map(|field| (text(field.name), text(field.value))).collect();
        let kept = expected.fields.into_iter().filter_map(|(name, value, _)| Some((name, value?)));
        let fields: Vec<_> = kept.chain(expected.lines).map(|(name, value)| (name.to_owned(), value)).collect();
        prop_assert_eq!(written, fields);
    }

    /// As before for responses: status, framing and the connection's fields are those that were asked for last.
    #[test]
    fn changed_responses_are_responses(
        original in prop::sample::select(vec![
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: x\r\nX: y\r\n\r\n",
            "HTTP/1.0 200\r\nX: y\r\n\r\n",
            "HTTP/1.1 404 \r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n",
            "HTTP/1.1 304 Same\r\nContent-Length: 3\r\n\r\n",
            "HTTP/1.1 204 \r\nX: y\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 103 Early\r\nContent-Length: 0\r\n\r\n",
        ]),
        changes in vec((0_usize..3, prop::sample::select(vec![102, 200, 204, 304, 503]), prop::sample::select(vec![
            BodyKind::None, BodyKind::Length(0), BodyKind::Length(12), BodyKind::Chunked, BodyKind::UntilClose,
        ])), 0..8),
    ) {
        let mut parser = ResponseParser::new(Limits::default());
        parser.parse(original.as_bytes()).unwrap().unwrap();
        let view = parser.head(original.as_bytes());
        let mut edits = Edits::new();
        let mut open = edits.response(view);
        let (mut status, mut version, mut body) = (view.status(), view.version(), view.declared_body());
        for (what, other, framed) in changes {
            match what {
                0 => if open.status(other, b"new").is_ok() {
                    let framed = [status, other].iter().all(|status| ![102, 103, 204].contains(status));
                    body = body.filter(|_| framed);
                    status = other;
                },
                1 => if open.body(framed).is_ok() {
                    body = match framed {
                        _ if [102, 103, 204].contains(&status) => None,
                        // The length as it came stays.
                        BodyKind::None => view.declared_body().filter(|body| *body != BodyKind::Chunked),
                        BodyKind::UntilClose => None,
                        framed => Some(framed),
                    };
                },
                _ => {
                    open.forward().unwrap();
                    version = Version::Http11;
                }
            }
        }
        let mut out = Vec::new();
        edits.write(view.as_bytes(), &mut out);
        let mut again = ResponseParser::new(Limits::default());
        prop_assert_eq!(again.parse(&out).unwrap(), Some(out.len()));
        let head = again.head(&out);
        prop_assert_eq!((head.status(), head.version(), head.declared_body()), (status, version, body));
        let reason: &[u8] = if status == view.status() { head.reason() } else { b"new" };
        prop_assert_eq!(head.reason(), reason);
    }
}

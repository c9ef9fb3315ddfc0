use super::*;

#[test]
fn the_clients_first_bytes_tell() {
    let with_more = [PREFACE.as_slice(), b"more"].concat();
    let rows: [(&[&[u8]], _); 7] = [
        (&[PREFACE], Some(Language::Http2)),
        (&[&PREFACE[..5], &PREFACE[5..]], Some(Language::Http2)),
        (&[&PREFACE[..5], b"", &with_more[5..]], Some(Language::Http2)),
        (&[&PREFACE[..23]], None),
        (&[b""], None),
        (&[b"GET / HTTP/1.1"], Some(Language::Http1)),
        // A method that begins as the preface does.
        (&[b"P", b"OST / HTTP/1.1"], Some(Language::Http1)),
    ];
    for (pieces, expected) in rows {
        let mut opening = Opening::default();
        let told: Vec<_> = pieces.iter().map(|piece| opening.client(piece)).collect();
        assert_eq!(told.last().copied().flatten(), expected, "{pieces:?}");
        assert!(told[..told.len() - 1].iter().all(Option::is_none), "{pieces:?}");
    }
}

#[test]
fn a_server_of_http2_may_speak_first_and_no_other() {
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let mut opening = Opening::default();
    assert!(opening.is_silent());
    assert_eq!(opening.server(&settings), None);
    assert!(!opening.is_silent() && opening.is_only_greeted());
    assert_eq!(opening.client(&PREFACE[..3]), None);
    assert!(!opening.is_only_greeted());
    assert_eq!(opening.client(&PREFACE[3..]), Some(Language::Http2));
    assert_eq!(opening.heard(), (&PREFACE[..3], &settings[..]));

    // Half of a frame may not be followed by another one.
    let mut opening = Opening::default();
    assert!(opening.is_only_greeted());
    let window = [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 9];
    assert_eq!(opening.server(&[&settings[..], &window[..11]].concat()), None);
    assert!(!opening.is_only_greeted());
    assert_eq!(opening.server(&window[11..]), None);
    assert!(opening.is_only_greeted());

    // Its client speaks something else all the same.
    let mut opening = Opening::default();
    assert_eq!(opening.server(&settings), None);
    assert_eq!(opening.client(b"HELO a\r\n"), Some(Language::Other));

    for other in [&b"220 mail.example\r\n"[..], &[0, 0, 0, 4, 0, 0, 0, 0, 1], &[0, 0, 0, 6]] {
        assert_eq!(Opening::default().server(other), Some(Language::Other), "{other:?}");
    }
    let mut opening = Opening::default();
    assert_eq!(opening.server(&[&settings[..], &[1; AHEAD - 9]].concat()), None);
    assert_eq!(opening.server(b"x"), Some(Language::Other));
}

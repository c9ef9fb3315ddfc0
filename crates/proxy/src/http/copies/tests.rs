use super::*;

fn copied(framing: Framing) -> Copied {
    Copied {
        method: "POST".into(),
        path: "/".into(),
        authority: "web-shadow".into(),
        protocol: Protocol::Http11,
        fields: Vec::new(),
        framing,
        trailers: Trailers::Unwanted,
    }
}

#[test]
fn no_more_copies_are_under_way_than_may_be() {
    let copying = Copying::default();
    let mut places: Vec<Place> = std::iter::from_fn(|| copying.enter()).collect();
    assert_eq!(places.len(), MOST);
    places.pop();
    assert!(copying.enter().is_some());
}

#[test]
fn a_copy_says_how_long_it_is_if_the_request_did() {
    for (framing, length, expected) in [
        (Framing::Unsaid, 0, BodyKind::None),
        (Framing::Said, 0, BodyKind::Length(0)),
        (Framing::Said, 5, BodyKind::Length(5)),
        (Framing::Unsaid, 5, BodyKind::Length(5)),
    ] {
        assert_eq!(copied(framing).body(length), expected);
    }
}

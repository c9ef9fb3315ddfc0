use super::*;

#[test]
fn what_was_sent_comes_again_for_another_server_until_there_is_too_much() {
    let mut replay = Replay::up_to(6);
    replay.keep(&Slices::one(b"abcd"), 3);
    assert_eq!(replay.pending(), b"");
    replay.rewind();
    assert_eq!((replay.pending(), replay.is_possible()), (&b"abc"[..], true));
    replay.advance(2);
    assert_eq!(replay.pending(), b"c");
    replay.advance(1);
    let mut pieces = Slices::one(b"d");
    pieces.push(b"efg");
    replay.keep(&pieces, 3);
    replay.rewind();
    assert_eq!((replay.pending(), replay.is_possible()), (&b"abcdef"[..], true));
    replay.advance(6);
    replay.keep(&Slices::one(b"g"), 1);
    assert_eq!((replay.pending(), replay.is_possible()), (&b""[..], false));
}

#[test]
fn without_a_bound_a_request_can_be_sent_again_until_its_body_is() {
    let mut replay = Replay::none();
    assert!(replay.is_possible());
    replay.keep(&Slices::one(b"a"), 0);
    assert!(replay.is_possible());
    replay.keep(&Slices::one(b"a"), 1);
    assert!(!replay.is_possible());
}

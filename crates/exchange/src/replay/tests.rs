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

#[test]
fn a_copy_is_told_once_the_request_is_complete() {
    let (to, mut copy) = oneshot::channel();
    let mut replay = Replay::none();
    replay.copy_to(to, 4);
    assert!(replay.keeps());
    let mut pieces = Slices::one(b"ab");
    pieces.push(b"cd");
    replay.keep(&pieces, 3);
    replay.keep(&Slices::one(b"d"), 1);
    // Another attempt changes nothing about it.
    replay.rewind();
    assert_eq!(copy.try_recv(), Err(oneshot::error::TryRecvError::Empty));
    replay.end();
    assert_eq!(copy.try_recv(), Ok(b"abcd".to_vec()));
    assert!(!replay.keeps());
}

#[test]
fn of_too_long_a_body_or_half_a_request_there_is_no_copy() {
    let (to, mut copy) = oneshot::channel();
    let mut replay = Replay::up_to(8);
    replay.copy_to(to, 4);
    replay.keep(&Slices::one(b"abcd"), 4);
    replay.keep(&Slices::one(b"e"), 1);
    assert_eq!(copy.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    replay.rewind();
    assert_eq!(replay.pending(), b"abcde");

    let (to, mut copy) = oneshot::channel();
    replay.copy_to(to, 4);
    drop(replay);
    assert_eq!(copy.try_recv(), Err(oneshot::error::TryRecvError::Closed));
}

use std::os::unix::net::UnixStream;

use super::*;

fn kept() -> usize {
    KEEP.with_borrow(Vec::len)
}

#[test]
fn pipes_are_lent_and_kept() {
    let before = kept();
    let pipe = take().unwrap();
    assert!(pipe.size() >= Buffer::SIZE);
    assert_eq!((lent(), kept()), (1, before.saturating_sub(1)));
    drop(pipe);
    assert_eq!((lent(), kept()), (0, before.max(1)));
    let many: Vec<_> = (0..=KEPT).map(|_| take().unwrap()).collect();
    assert_eq!((lent(), kept()), (KEPT + 1, 0));
    drop(many);
    assert_eq!((lent(), kept()), (0, KEPT));
}

#[test]
fn a_pipe_with_bytes_in_it_is_not_kept() {
    let before = kept();
    let (mut near, far) = UnixStream::pair().unwrap();
    std::io::Write::write_all(&mut near, b"left").unwrap();
    let mut pipe = take().unwrap();
    assert_eq!(pipe.fill(&far).unwrap(), 4);
    drop(pipe);
    assert_eq!((lent(), kept()), (0, before.saturating_sub(1)));
}

#[test]
fn more_pipes_than_that_are_not_lent() {
    OUT.set(MOST - 1);
    let last = take().unwrap();
    assert!(take().is_none());
    drop(last);
    assert!(take().is_some());
    OUT.set(0);
}

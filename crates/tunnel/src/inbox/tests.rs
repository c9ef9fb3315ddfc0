use super::*;

fn buffer(bytes: &[u8]) -> Rc<Buffer> {
    let mut buffer = Buffer::default();
    buffer.space()[..bytes.len()].copy_from_slice(bytes);
    buffer.fill(bytes.len());
    Rc::new(buffer)
}

fn deliver(inbox: &Inbox, bytes: &[u8]) {
    inbox.deliver(&buffer(bytes), 0..bytes.len(), false);
}

/// Everything, in portions of at most `most`.
fn drain(inbox: &Inbox, most: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while inbox.len() > 0 {
        let take = |slices: &[IoSlice<'_>]| {
            let before = all.len();
            for slice in slices {
                let left = most - (all.len() - before);
                all.extend_from_slice(&slice[..slice.len().min(left)]);
            }
            all.len() - before
        };
        let n = inbox.write_to(take, |n| *n);
        assert!(n > 0);
    }
    all
}

#[test]
fn tiny_pieces_pin_no_buffer() {
    let inbox = Inbox::default();
    let mut expected = Vec::new();
    for i in 0..10_000_u32 {
        let piece = i.to_be_bytes();
        deliver(&inbox, &piece[..=i as usize % 4]);
        expected.extend_from_slice(&piece[..=i as usize % 4]);
    }
    assert_eq!(Buffer::storages(), 1, "the first is where TLS put it until its task has looked");
    inbox.unpin();
    assert_eq!(Buffer::storages(), 0);
    assert_eq!(inbox.state.borrow().pieces.len(), 2, "the others were joined");
    assert_eq!(inbox.len(), expected.len());
    assert_eq!(drain(&inbox, usize::MAX), expected);
    assert_eq!(inbox.len(), 0);
}

#[test]
fn large_pieces_stay_where_they_are() {
    let inbox = Inbox::default();
    let large = vec![1; SMALL];
    let tiny = [2; 10];
    for _ in 0..3 {
        deliver(&inbox, &large);
        deliver(&inbox, &tiny);
    }
    inbox.unpin();
    assert_eq!(Buffer::storages(), 3);
    let expected = [&large[..], &tiny].concat().repeat(3);
    assert_eq!(drain(&inbox, 7_001), expected);
    assert_eq!(Buffer::storages(), 0);
}

#[test]
fn joined_pieces_are_bounded() {
    let inbox = Inbox::default();
    let piece = [3; SMALL - 1];
    for _ in 0..8 {
        deliver(&inbox, &piece);
    }
    let state = inbox.state.borrow();
    let sizes: Vec<_> = state.pieces.iter().map(|piece| piece.bytes().len()).collect();
    assert_eq!(sizes, [SMALL - 1, 2 * (SMALL - 1), 2 * (SMALL - 1), 2 * (SMALL - 1), SMALL - 1]);
}

#[test]
fn clearing_frees_all() {
    let inbox = Inbox::default();
    deliver(&inbox, &[1; SMALL]);
    deliver(&inbox, &[1; SMALL]);
    assert_eq!((Buffer::storages(), inbox.clear()), (2, 2 * SMALL));
    assert_eq!((Buffer::storages(), inbox.clear()), (0, 0));
}

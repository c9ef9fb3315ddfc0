use super::*;

fn put(buffer: &mut Buffer, bytes: &[u8]) {
    buffer.space()[..bytes.len()].copy_from_slice(bytes);
    buffer.fill(bytes.len());
}

#[test]
fn an_empty_buffer_holds_no_storage() {
    let mut buffer = Buffer::default();
    assert_eq!(
        (buffer.len(), buffer.room(), buffer.filled(), buffer.is_empty()),
        (0, Buffer::SIZE, [].as_slice(), true)
    );
    assert_eq!(buffer.filled_mut(), &mut []);
    assert!(buffer.storage.is_none());
    let before = pool::kept();
    put(&mut buffer, b"abc");
    buffer.consume(1);
    assert_eq!(buffer.filled(), b"bc");
    assert!(buffer.storage.is_some());
    buffer.consume(2);
    assert!(buffer.storage.is_none());
    assert_eq!(pool::kept(), before + 1);
    assert_eq!(buffer.space().len(), Buffer::SIZE);
    assert_eq!(pool::kept(), before, "the storage was used again");
    buffer.fill(0);
    assert!(buffer.storage.is_none(), "unused storage goes back");
    put(&mut buffer, b"x");
    drop(buffer);
    assert_eq!(pool::kept(), before + 1);
}

#[test]
fn storages_are_kept_by_size() {
    let mut small = Buffer::with_capacity(10);
    put(&mut small, b"0123456789");
    assert_eq!(small.room(), 0);
    assert!(small.space().is_empty());
    small.clear();
    let mut large = Buffer::with_capacity(20);
    assert_eq!(large.space().len(), 20);
}

#[test]
fn the_pool_is_bounded() {
    let mut out: Vec<Buffer> = (0..100).map(|_| Buffer::with_capacity(8)).collect();
    for buffer in &mut out {
        put(buffer, b"x");
    }
    drop(out);
    assert_eq!(pool::kept(), 32);
}

#[test]
fn a_short_tail_is_lengthened() {
    let mut buffer = Buffer::with_capacity(64 * 1024);
    put(&mut buffer, &vec![1; 60_000]);
    buffer.consume(50_000);
    // 10,000 bytes are not moved for a tail of 5,536 bytes unless that is short; it is, being under a quarter.
    assert_eq!(buffer.space().len(), 64 * 1024 - 10_000);
    put(&mut buffer, &[2; 10_000]);
    buffer.consume(10_000);
    assert_eq!(buffer.space().len(), 64 * 1024 - 20_000, "a long tail is left alone");
    assert_eq!(buffer.space_for(64 * 1024 - 10_000).len(), 64 * 1024 - 10_000);
    assert_eq!(buffer.filled(), [2; 10_000]);
    buffer.consume(6_000);
    assert_eq!(buffer.space().len(), 64 * 1024 - 4_000, "few bytes are moved at once");
}

#[test]
#[should_panic(expected = "can't be consumed")]
fn no_more_is_consumed_than_there_is() {
    Buffer::default().consume(1);
}

#[test]
#[should_panic(expected = "can't have been written")]
fn no_more_is_filled_than_was_given() {
    let mut buffer = Buffer::with_capacity(2);
    assert_eq!(buffer.space().len(), 2);
    buffer.fill(3);
}

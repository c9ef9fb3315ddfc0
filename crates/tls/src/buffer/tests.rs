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
    let mut out: Vec<Buffer> = (0..20).map(|_| Buffer::with_capacity(256 << 10)).collect();
    for buffer in &mut out {
        put(buffer, b"x");
    }
    drop(out);
    assert_eq!(pool::kept(), 8, "2 MiB");
}

#[test]
fn few_bytes_wait_in_a_small_storage() {
    let mut buffer = Buffer::default();
    buffer.shrink();
    assert!(buffer.storage.is_none());
    put(&mut buffer, &[1; 16_000]);
    put(&mut buffer, &[2; 2_000]);
    buffer.shrink();
    assert_eq!(buffer.storage.as_ref().unwrap().len(), Buffer::SIZE, "too many to shrink");
    buffer.consume(15_000);
    buffer.shrink();
    assert_eq!(buffer.storage.as_ref().unwrap().len(), SMALL);
    let expected = [vec![1; 1_000], vec![2; 2_000]].concat();
    assert_eq!(buffer.filled(), expected);
    assert_eq!(buffer.room(), Buffer::SIZE - 3_000);
    assert_eq!(pool::kept(), 1, "the large one is free for others");
    assert_eq!(buffer.space().len(), Buffer::SIZE - 3_000);
    assert_eq!(buffer.filled(), expected);
    buffer.shrink();
    assert_eq!(buffer.space_for(20_000).len(), Buffer::SIZE - 3_000);
    buffer.shrink();
    buffer.filled_mut()[0] = 9;
    buffer.consume(2_999);
    assert_eq!(buffer.filled(), [2]);
    buffer.consume(1);
    assert!(buffer.storage.is_none());
    assert_eq!(pool::kept(), 2);
    // One that is small anyway.
    let mut small = Buffer::with_capacity(100);
    put(&mut small, b"abc");
    small.shrink();
    assert_eq!(small.storage.as_ref().unwrap().len(), 100);
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

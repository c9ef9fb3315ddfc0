use std::io::Write;

use super::*;

fn drain(outbound: &mut Outbound, at_once: usize) -> Vec<u8> {
    let mut wire = Vec::new();
    outbound
        .write_to(|slices| {
            let mut left = at_once;
            for slice in slices {
                let n = left.min(slice.len());
                wire.extend_from_slice(&slice[..n]);
                left -= n;
            }
            Ok(at_once - left)
        })
        .unwrap();
    wire
}

#[test]
fn order_is_kept_across_buffers() {
    for at_once in [1, 1000, Buffer::SIZE, usize::MAX >> 1] {
        let mut outbound = Outbound::default();
        let bytes: Vec<u8> = (0..=250).cycle().take(200_000).collect();
        outbound.append(&bytes[..100_000]);
        outbound.write_all(&bytes[100_000..150_000]).unwrap();
        for chunk in bytes[150_000..].chunks(10_000) {
            outbound.space_for(chunk.len()).copy_from_slice(chunk);
            outbound.fill(chunk.len());
        }
        assert_eq!(outbound.len(), 200_000);
        let wire = drain(&mut outbound, at_once);
        assert!(wire == bytes);
        assert_eq!((outbound.len(), outbound.buffers.len()), (0, 0));
    }
}

#[test]
fn a_failed_write_keeps_the_rest() {
    let mut outbound = Outbound::default();
    outbound.append(b"abcdef");
    let mut calls = 0;
    let error = outbound.write_to(|_| {
        calls += 1;
        match calls {
            1 => Ok(2),
            2 => Err(io::ErrorKind::Interrupted.into()),
            3 => Ok(1),
            _ => Err(io::ErrorKind::WouldBlock.into()),
        }
    });
    assert_eq!((error.unwrap_err().kind(), calls), (io::ErrorKind::WouldBlock, 4));
    assert_eq!(outbound.write_to(|_| Ok(0)).unwrap_err().kind(), io::ErrorKind::WriteZero);
    assert_eq!(drain(&mut outbound, 100), b"def");
    // Nothing queued, nothing called.
    outbound.write_to(|_| unreachable!()).unwrap();
}

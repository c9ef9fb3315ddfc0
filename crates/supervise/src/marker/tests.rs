use super::*;

/// An Ethernet frame with a TCP segment over IPv4.
fn v4(port: u16, sequence: u32, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([0x08, 0x00]);
    let total = u16::try_from(20 + 20 + data.len()).unwrap();
    frame.extend([0x45, 0]);
    frame.extend(total.to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    frame.extend(tcp(port, sequence, data));
    frame.extend([0; 6]); // padding of short frames is not payload
    frame
}

fn v6(port: u16, sequence: u32, data: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    frame.extend(u16::try_from(20 + data.len()).unwrap().to_be_bytes());
    frame.extend([6, 64]);
    frame.extend([1; 16]);
    frame.extend([2; 16]);
    frame.extend(tcp(port, sequence, data));
    frame
}

fn tcp(port: u16, sequence: u32, data: &[u8]) -> Vec<u8> {
    let mut segment = port.to_be_bytes().to_vec();
    segment.extend(80_u16.to_be_bytes());
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 0, 0x50, 0x18, 0, 0, 0, 0, 0, 0]);
    segment.extend(data);
    segment
}

#[test]
fn a_marker_inside_one_segment_counts_each_time() {
    let mut matcher = MarkerMatcher::new(b"plain-7");
    assert_eq!(matcher.frame(&v4(1, 0, b"x plain-7 y plain-7")), 2);
    assert_eq!(matcher.frame(&v4(1, 19, b"plain-")), 0);
    assert_eq!(matcher.frame(&v6(2, 0, b"plain-7")), 1);
}

#[test]
fn a_marker_cut_by_segments_is_found() {
    for frame in [v4, v6] {
        for cut in 1..7 {
            let mut matcher = MarkerMatcher::new(b"plain-7");
            let (head, rest) = b"plain-7".split_at(cut);
            assert_eq!(matcher.frame(&frame(1, u32::MAX - 1, head)), 0);
            let next = (u32::MAX - 1).wrapping_add(u32::try_from(cut).unwrap());
            assert_eq!(matcher.frame(&frame(1, next, rest)), 1, "cut at {cut}");
            assert_eq!(matcher.frame(&frame(1, next.wrapping_add(7), b"lain-7")), 0, "counted once");
        }
        let mut bytewise = MarkerMatcher::new(b"abc");
        let hits: u64 = b"ababcabc".iter().zip(0..).map(|(byte, at)| bytewise.frame(&frame(1, at, &[*byte]))).sum();
        assert_eq!(hits, 2);
    }
}

#[test]
fn other_flows_and_gaps_do_not_join() {
    let mut matcher = MarkerMatcher::new(b"abcd");
    assert_eq!(matcher.frame(&v4(1, 0, b"ab")), 0);
    assert_eq!(matcher.frame(&v4(2, 2, b"cd")), 0, "another port");
    assert_eq!(matcher.frame(&v4(1, 3, b"cd")), 0, "a byte is missing");
    assert_eq!(matcher.frame(&v4(1, 5, b"")), 0, "an acknowledgement");
}

#[test]
fn what_is_not_tcp_is_searched_whole() {
    let mut matcher = MarkerMatcher::new(b"abcd");
    assert_eq!(matcher.frame(b"abcd"), 1);
    assert_eq!(matcher.frame(&[b"0123456789ab\x08\x00".as_slice(), b"abcd"].concat()), 1);
    for length in 0..60 {
        let frame = v4(1, 0, b"abcd");
        matcher.frame(&frame[..length]); // never panics
    }
    assert_eq!(MarkerMatcher::new(b"").frame(b"abcd"), 0);
}

#[test]
fn memory_is_bounded() {
    let mut matcher = MarkerMatcher::new(b"abcd");
    for port in 0..u16::MAX {
        matcher.frame(&v4(port, 0, b"abc"));
    }
    assert!(matcher.flows.len() <= MAX_FLOWS);
    assert!(matcher.flows.values().all(|tail| tail.bytes.len() < 4));
}

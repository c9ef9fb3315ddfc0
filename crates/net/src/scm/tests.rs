use std::io::Read;
use std::os::unix::net::UnixStream;

use super::*;

#[test]
fn a_stream_carries_descriptors_too() {
    let (one, other) = UnixStream::pair().unwrap();
    let (mut read, write) = std::io::pipe().unwrap();
    assert_eq!(send_with_fds(&one, b"hello", &[write.as_fd()]).unwrap(), 5);
    drop((one, write));
    let message = recv_with_fds(&other).unwrap().unwrap();
    assert_eq!((message.data.as_slice(), message.fds.len()), (&b"hello"[..], 1));
    rustix::io::write(&message.fds[0], b"through").unwrap();
    drop(message);
    let mut text = String::new();
    read.read_to_string(&mut text).unwrap();
    assert_eq!(text, "through");
    assert!(recv_with_fds(&other).unwrap().is_none());
}

#[test]
fn what_does_not_fit_is_an_error() {
    let (one, other) = seqpacket_pair().unwrap();
    rustix::net::send(&one, &vec![1; MAX_MESSAGE + 1], SendFlags::empty()).unwrap();
    assert_eq!(recv_with_fds(&other).unwrap_err().kind(), io::ErrorKind::InvalidData);
    // More descriptors than there is room for: cut off by the kernel, told, and none of them leaks. The kernel says the
    // same to a receiver that may not open so many.
    let fds = vec![one.as_fd(); MAX_FDS + 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FDS + 1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    sendmsg(&one, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
    let cut = recv_with_fds(&other).unwrap().unwrap();
    assert_eq!((cut.data.as_slice(), cut.fds.len(), cut.truncated), (&b"x"[..], 0, true));
    // The line is as good as before.
    send_with_fds(&one, b"y", &[one.as_fd()]).unwrap();
    let next = recv_with_fds(&other).unwrap().unwrap();
    assert_eq!((next.data.as_slice(), next.fds.len(), next.truncated), (&b"y"[..], 1, false));
    assert_eq!(send_with_fds(&one, b"x", &fds).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(send_with_fds(&one, b"", &[]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

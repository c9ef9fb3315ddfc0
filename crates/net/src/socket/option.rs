//! Socket options that no safe wrapper has.

use std::io;
use std::mem::{MaybeUninit, size_of};
use std::os::fd::{AsFd, AsRawFd};

pub(crate) const IP_RECVORIGDSTADDR: libc::c_int = 20;
pub(crate) const IPV6_RECVORIGDSTADDR: libc::c_int = 74;
pub(crate) const IPV6_TRANSPARENT: libc::c_int = 75;

/// A type that the kernel may fill with any bytes: plain old data without padding that matters, without references.
///
/// # Safety
/// Every bit pattern must be a valid value.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: an integer has no invalid pattern.
unsafe impl Plain for libc::c_int {}
// SAFETY: three integers.
unsafe impl Plain for libc::ucred {}
// SAFETY: integers only.
unsafe impl Plain for libc::tpacket_stats {}
// SAFETY: integers only, with a byte of padding that nobody looks at.
unsafe impl Plain for libc::tcp_info {}

/// Reads an option.
pub(crate) fn get<T: Plain>(socket: impl AsFd, level: libc::c_int, name: libc::c_int) -> io::Result<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut length = length_of::<T>();
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: `value` is writable for `length` bytes, and both live over the call.
    let result = unsafe { libc::getsockopt(fd, level, name, value.as_mut_ptr().cast(), &raw mut length) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed, then partly or wholly written by the kernel; any pattern is valid for a `Plain`.
    Ok(unsafe { value.assume_init() })
}

/// Sets an option.
pub(crate) fn set<T: Plain>(socket: impl AsFd, level: libc::c_int, name: libc::c_int, value: T) -> io::Result<()> {
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: `value` is readable for its size and lives over the call.
    let result = unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), length_of::<T>()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn length_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).expect("an option is a few bytes")
}

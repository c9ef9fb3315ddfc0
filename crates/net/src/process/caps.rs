//! Giving up privileges for good.

use std::fs;
use std::io;

/// Bounding sets hold at most this many.
const MOST_CAPABILITIES: u32 = 64;

/// Empties every capability set of the whole process, bounding and ambient included, and sets `no_new_privs`.
///
/// To be called before any other thread is started: the sets belong to threads.
pub fn drop_all_capabilities() -> io::Result<()> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("capabilities must be dropped before threads are started"));
    }
    match drop_here() {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

/// Whether the calling thread has no capability in any set.
pub fn capabilities_are_empty() -> io::Result<bool> {
    let status = fs::read_to_string("/proc/thread-self/status")?;
    let mut sets = status.lines().filter(|line| line.starts_with("Cap"));
    Ok(sets.all(|line| line.split_whitespace().nth(1).is_some_and(|set| set.bytes().all(|digit| digit == b'0'))))
}

#[repr(C)]
struct CapHeader {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// The same for the calling thread, by system calls alone; 0 or the errno.
pub(super) fn drop_here() -> libc::c_int {
    const LINUX_CAPABILITY_VERSION_3: u32 = 0x2008_0522;
    let zero: libc::c_ulong = 0;
    let one: libc::c_ulong = 1;
    for capability in 0..MOST_CAPABILITIES {
        // SAFETY: prctl with integer arguments.
        let result = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, libc::c_ulong::from(capability), zero, zero, zero) };
        if result != 0 {
            match super::child::errno() {
                libc::EINVAL => break, // beyond the kernel's last
                libc::EPERM if !in_bounding_set(capability) => {}
                errno => return errno,
            }
        }
    }
    // SAFETY: prctl with integer arguments.
    if unsafe {
        libc::prctl(
            libc::PR_CAP_AMBIENT,
            libc::c_ulong::from(libc::PR_CAP_AMBIENT_CLEAR_ALL.cast_unsigned()),
            zero,
            zero,
            zero,
        )
    } != 0
    {
        return super::child::errno();
    }
    let header = CapHeader { version: LINUX_CAPABILITY_VERSION_3, pid: 0 };
    let none = [const { CapData { effective: 0, permitted: 0, inheritable: 0 } }; 2];
    // SAFETY: version 3 reads two data records; both arguments live over the call.
    if unsafe { libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()) } != 0 {
        return super::child::errno();
    }
    // SAFETY: prctl with integer arguments.
    if unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, one, zero, zero, zero) } != 0 {
        return super::child::errno();
    }
    0
}

fn in_bounding_set(capability: u32) -> bool {
    let zero: libc::c_ulong = 0;
    // SAFETY: prctl with integer arguments.
    unsafe { libc::prctl(libc::PR_CAPBSET_READ, libc::c_ulong::from(capability), zero, zero, zero) == 1 }
}

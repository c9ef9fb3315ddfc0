//! What a process that has started needs no longer.

use std::{fs, io, os::raw::c_void};

/// Gives the pages of the program's own code and constants back to the page cache, from where those that are needed again come back
/// at once. Starting touches far more code than serving does, and all of it would stay in the process's resident memory.
///
/// Gives the number of bytes that were looked at.
pub fn forget_startup_code() -> io::Result<usize> {
    let program = fs::read_link("/proc/self/exe")?;
    let maps = fs::read_to_string("/proc/self/maps")?;
    let mut bytes = 0;
    for line in maps.lines() {
        let Some((start, length)) = code_of(line, &program.to_string_lossy()) else { continue };
        // SAFETY: The range is one whole mapping of this process's executable, private and not writable, as the kernel
        // has just listed it; nobody unmaps the program itself. It holds code, or the file's beginning (headers,
        // symbols, constants): pages that are unchanged copies of the file, since what the loader relocates is kept
        // apart from both (.data.rel.ro, .got). What comes back on the next access is what was there before.
        let result = unsafe {
            libc::madvise(std::ptr::with_exposed_provenance_mut::<c_void>(start), length, libc::MADV_DONTNEED)
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        bytes += length;
    }
    Ok(bytes)
}

/// Where a line of `/proc/self/maps` says that code of `program` is, and how long it is.
fn code_of(line: &str, program: &str) -> Option<(usize, usize)> {
    let (range, rest) = line.split_once(' ')?;
    // The first mapping has constants and tables of the loader, no addresses that it has changed.
    let clean = rest.starts_with("r-xp ") || rest.starts_with("r--p 00000000 ");
    if !clean || !rest.ends_with(program) {
        return None;
    }
    let (start, end) = range.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    end.checked_sub(start).map(|length| (start, length))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    /// Bytes of the program's own code that are in its resident memory, and bytes of that code.
    fn resident() -> (usize, usize) {
        let program = fs::read_link("/proc/self/exe").unwrap();
        let maps = fs::read_to_string("/proc/self/smaps").unwrap();
        let (mut counts, mut resident, mut whole) = (false, 0, 0);
        for line in maps.lines() {
            if let Some(kilobytes) = line.strip_prefix("Rss:") {
                let kilobytes: usize = kilobytes.trim().strip_suffix(" kB").unwrap().parse().unwrap();
                resident += if counts { kilobytes * 1024 } else { 0 };
            } else if line.contains('-') && !line.starts_with(char::is_uppercase) {
                let code = code_of(line, &program.to_string_lossy());
                counts = code.is_some();
                whole += code.map_or(0, |(_, length)| length);
            }
        }
        (resident, whole)
    }

    /// Has all of the program's own code in resident memory.
    fn touch_all() {
        let program = fs::read_link("/proc/self/exe").unwrap();
        let memory = fs::File::open("/proc/self/mem").unwrap();
        for line in fs::read_to_string("/proc/self/maps").unwrap().lines() {
            if let Some((start, length)) = code_of(line, &program.to_string_lossy()) {
                memory.read_exact_at(&mut vec![0; length], start as u64).unwrap();
            }
        }
    }

    #[test]
    fn code_leaves_resident_memory_and_still_runs() {
        touch_all();
        let (before, whole) = resident();
        assert_eq!(before, whole, "all of it is there");
        assert_eq!(forget_startup_code().unwrap(), whole);
        // What runs now comes back, with its neighbourhood.
        let (after, _) = resident();
        assert!(after < whole, "{after} of {whole} bytes are there");
        touch_all();
        assert_eq!(resident().0, whole, "it can all be read again");
    }

    #[test]
    fn only_unchangeable_code_of_the_program_counts() {
        let rows = [
            ("1000-3000 r-xp 00001000 fe:00 7   /bin/it", Some((0x1000, 0x2000))),
            ("1000-3000 r--p 00000000 fe:00 7   /bin/it", Some((0x1000, 0x2000))),
            ("1000-3000 r--p 00001000 fe:00 7   /bin/it", None),
            ("1000-3000 rwxp 00001000 fe:00 7   /bin/it", None),
            ("1000-3000 r-xp 00001000 fe:00 7   /lib/other", None),
            ("nonsense", None),
        ];
        for (line, expected) in rows {
            assert_eq!(code_of(line, "/bin/it"), expected, "{line}");
        }
    }
}

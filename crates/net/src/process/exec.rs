//! A program with everything it needs, prepared before the fork.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::ptr;

use super::child::{Reporter, errno};
use super::stages::Stage;
use crate::Error;

/// Where programs are looked for without a `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The most descriptors that a child can be given.
const MOST_FDS: usize = 64;

/// Program, arguments, environment and descriptors of a child.
pub(super) struct ExecPlan {
    path: CString,
    /// The program's file itself, for when its path can't be walked by the child's user.
    file: OwnedFd,
    /// Scripts are opened once more by their interpreter, so that descriptor must survive the exec.
    script: bool,
    argv: StringArray,
    env: StringArray,
    cwd: Option<CString>,
    /// (descriptor here, number there)
    fds: Vec<(OwnedFd, RawFd)>,
    highest: RawFd,
}

impl ExecPlan {
    pub(super) fn new(
        program: &Path,
        argv: &[OsString],
        env: &[(OsString, OsString)],
        cwd: Option<&Path>,
        fds: Vec<(OwnedFd, RawFd)>,
    ) -> Result<Self, Error> {
        let failed = |source: io::Error| Error::Spawn {
            program: program.display().to_string(),
            stage: "finding the program".to_owned(),
            source,
            hint: "",
        };
        if argv.is_empty() || fds.len() > MOST_FDS {
            return Err(Error::Invalid(format!("{}: no arguments, or too many descriptors", program.display())));
        }
        let file =
            File::options().read(true).custom_flags(libc::O_PATH | libc::O_CLOEXEC).open(program).map_err(failed)?;
        let kind = file.metadata().map_err(failed)?;
        if !kind.is_file() || kind.mode() & 0o111 == 0 {
            return Err(failed(io::Error::from_raw_os_error(libc::EACCES)));
        }
        let mut numbers: Vec<RawFd> = fds.iter().map(|(_, number)| *number).collect();
        numbers.sort_unstable();
        if numbers.first().is_some_and(|number| *number < 0) || numbers.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Error::Invalid(format!("{}: two descriptors with one number", program.display())));
        }
        let highest = fds.iter().map(|(_, number)| *number).max().unwrap_or(2).max(2);
        let variables = env.iter().map(|(name, value)| {
            let mut variable = name.clone();
            variable.push("=");
            variable.push(value);
            variable
        });
        Ok(Self {
            path: text(program.as_os_str())?,
            script: is_script(program),
            file: file.into(),
            argv: StringArray::new(argv.iter().cloned())?,
            env: StringArray::new(variables)?,
            cwd: cwd.map(|cwd| text(cwd.as_os_str())).transpose()?,
            fds,
            highest,
        })
    }

    /// In a child: puts the descriptors where they belong and becomes the program.
    pub(super) fn run(&self, reporter: Reporter) -> ! {
        self.enter_directory();
        let (reporter, program) = self.pass_descriptors(reporter);
        super::child::set_signal_mask(0);
        reporter.reached(Stage::Exec);
        // SAFETY: path and both arrays are NUL-terminated and live in this process until the exec.
        unsafe { libc::execve(self.path.as_ptr(), self.argv.as_ptr(), self.env.as_ptr()) };
        let by_path = errno();
        if matches!(by_path, libc::EACCES | libc::ENOENT | libc::ENOTDIR | libc::EPERM | libc::ELOOP) {
            // SAFETY: as above; an empty path with AT_EMPTY_PATH means the descriptor itself.
            unsafe {
                libc::syscall(
                    libc::SYS_execveat,
                    program,
                    c"".as_ptr(),
                    self.argv.as_ptr(),
                    self.env.as_ptr(),
                    libc::AT_EMPTY_PATH,
                )
            };
        }
        reporter.fail(Stage::Exec, by_path)
    }

    /// The descriptor here that becomes number 0 there.
    pub(super) fn standard_input(&self) -> RawFd {
        self.fds.iter().find(|(_, number)| *number == 0).map_or(-1, |(fd, _)| fd.as_raw_fd())
    }

    fn enter_directory(&self) {
        let Some(cwd) = &self.cwd else { return };
        // SAFETY: NUL-terminated strings.
        unsafe {
            if libc::chdir(cwd.as_ptr()) != 0 {
                // There is always a root to fall back on.
                libc::chdir(c"/".as_ptr());
            }
        }
    }

    /// Everything else is closed by the exec. Gives the reporter and the program's file by their new numbers.
    fn pass_descriptors(&self, reporter: Reporter) -> (Reporter, RawFd) {
        let above = |fd: RawFd| {
            // SAFETY: fcntl with integer arguments.
            let copy = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, self.highest + 1) };
            reporter.check(Stage::PassDescriptors, copy);
            copy
        };
        // Copies first, out of the way of every number to be taken.
        let report = Reporter { fd: above(reporter.fd) };
        let program = above(self.file.as_raw_fd());
        let mut copies = [-1; MOST_FDS];
        for (copy, (fd, _)) in copies.iter_mut().zip(&self.fds) {
            *copy = above(fd.as_raw_fd());
        }
        // SAFETY: marks every descriptor of this process; closes none.
        let marked = unsafe { libc::syscall(libc::SYS_close_range, 0_u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
        if marked < 0 {
            report.fail(Stage::PassDescriptors, errno());
        }
        for (copy, (_, number)) in copies.iter().zip(&self.fds) {
            // SAFETY: integers; what had that number was copied above or is of no use here. The result has no
            // close-on-exec flag.
            report.check(Stage::PassDescriptors, unsafe { libc::dup2(*copy, *number) });
        }
        if self.script {
            // SAFETY: fcntl with integer arguments.
            unsafe { libc::fcntl(program, libc::F_SETFD, 0) };
        }
        (report, program)
    }
}

/// Finds what a shell would run for `name`: a path as it is (relative to `cwd`), else the first executable file in the
/// directories of `PATH`.
pub(super) fn find_program(name: &OsStr, env: &[(OsString, OsString)], cwd: &Path) -> io::Result<PathBuf> {
    if name.is_empty() {
        return Err(io::Error::from_raw_os_error(libc::ENOENT));
    }
    if name.as_bytes().contains(&b'/') {
        return Ok(cwd.join(name));
    }
    let path = env.iter().find(|(key, _)| key == "PATH").map_or_else(|| OsStr::new(DEFAULT_PATH), |(_, value)| value);
    let mut denied = false;
    for directory in std::env::split_paths(path) {
        let candidate = cwd.join(directory).join(name);
        match candidate.metadata() {
            Ok(kind) if kind.is_file() && kind.mode() & 0o111 != 0 => return Ok(candidate),
            Ok(kind) if !kind.is_dir() && !kind.file_type().is_socket() => denied = true,
            _ => {}
        }
    }
    Err(io::Error::from_raw_os_error(if denied { libc::EACCES } else { libc::ENOENT }))
}

/// A NULL-terminated array of strings, as exec wants it.
pub(super) struct StringArray {
    // The pointers lead into these; a CString's text does not move with it.
    _strings: Vec<CString>,
    pointers: Vec<*const libc::c_char>,
}

impl StringArray {
    fn new(strings: impl Iterator<Item = OsString>) -> Result<Self, Error> {
        let strings = strings.map(|string| text(&string)).collect::<Result<Vec<_>, _>>()?;
        let pointers = strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect();
        Ok(Self { _strings: strings, pointers })
    }

    fn as_ptr(&self) -> *const *const libc::c_char {
        self.pointers.as_ptr()
    }
}

/// A string for the kernel.
pub(super) fn text(string: &OsStr) -> Result<CString, Error> {
    CString::new(string.as_bytes()).map_err(|_| Error::Invalid(format!("{} holds a NUL byte", string.display())))
}

fn is_script(program: &Path) -> bool {
    let mut start = [0; 2];
    File::open(program).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"#!"
}

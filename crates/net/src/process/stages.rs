//! What a child goes through, told to its parent step by step.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketFlags, SocketType, recvmsg,
    send, socketpair, sockopt,
};

use super::child::Reporter;
use crate::Error;

/// How long a child may take to its program.
const PATIENCE: Duration = Duration::from_secs(20);

macro_rules! stages {
    ($($name:ident = $text:literal,)*) => {
        /// A step between fork and exec.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Stage { $($name,)* }

        impl Stage {
            const ALL: &[Self] = &[$(Self::$name,)*];

            fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

stages! {
    Fork = "making a process",
    DieWithParent = "asking to die with the parent",
    NewUserNamespace = "making a user namespace",
    MapUsers = "mapping users into the user namespace",
    NewNamespaces = "making the other namespaces",
    EnterNetwork = "entering the network namespace",
    MakeMountsPrivate = "making mounts private",
    MountProc = "mounting /proc",
    Hide = "hiding a directory",
    Protect = "making a directory read-only",
    BindFile = "mounting a file over another",
    SetUser = "changing the user",
    SetHostname = "setting the host name",
    DropCapabilities = "dropping capabilities",
    Isolate = "isolating the process",
    SetLimits = "setting resource limits",
    Terminal = "taking the terminal",
    PassDescriptors = "passing descriptors",
    Exec = "executing the program",
}

/// One message of a child.
pub(super) struct Report {
    stage: Stage,
    /// The sender, as the receiver's pid namespace numbers it.
    pid: u32,
}

impl Report {
    pub(super) const LENGTH: usize = 8;

    pub(super) fn encode(stage: Stage, errno: i32) -> [u8; Self::LENGTH] {
        let mut record = [0; Self::LENGTH];
        record[0] = stage as u8;
        record[4..].copy_from_slice(&errno.to_ne_bytes());
        record
    }
}

/// The parent's end.
pub(super) struct Reports {
    socket: OwnedFd,
    deadline: Instant,
    program: String,
}

/// The children's end, open in the parent until they have it.
pub(super) struct ReporterFd(OwnedFd);

impl ReporterFd {
    pub(super) fn reporter(&self) -> Reporter {
        Reporter { fd: self.0.as_raw_fd() }
    }
}

impl Reports {
    /// A fresh pair of ends; `program` is for error texts.
    pub(super) fn open(program: &str) -> Result<(Self, ReporterFd), Error> {
        let open = || -> rustix::io::Result<(OwnedFd, OwnedFd)> {
            let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
            // The kernel then says with each message who sent it, in our numbers.
            sockopt::set_socket_passcred(&ours, true)?;
            Ok((ours, theirs))
        };
        let (socket, theirs) = open().map_err(|error| Error::io("open a socket pair", error))?;
        let reports = Self { socket, deadline: Instant::now() + PATIENCE, program: program.to_owned() };
        Ok((reports, ReporterFd(theirs)))
    }

    /// Waits until a child reached `stage`; gives its process id.
    pub(super) fn await_stage(&self, stage: Stage) -> Result<u32, Error> {
        loop {
            match self.next()? {
                Some(report) if report.stage == stage => return Ok(report.pid),
                Some(_) => {}
                None => return Err(self.error(stage, io::Error::other("the process ended before that"))),
            }
        }
    }

    /// Waits until the program runs; gives its process id.
    pub(super) fn await_exec(&self) -> Result<u32, Error> {
        let pid = self.await_stage(Stage::Exec)?;
        // Silence now means success: the last copy of the children's end is closed by the exec itself.
        while self.next()?.is_some() {}
        Ok(pid)
    }

    /// Lets a child go on that waits for its parent.
    pub(super) fn proceed(&self) -> Result<(), Error> {
        send(&self.socket, &[1], SendFlags::NOSIGNAL).map_err(|error| self.error(Stage::MapUsers, error.into()))?;
        Ok(())
    }

    /// Whether an error's text names this stage.
    pub(super) fn is_stage(stage: Stage, text: &str) -> bool {
        stage.text() == text
    }

    /// An error at a stage.
    pub(super) fn error(&self, stage: Stage, source: io::Error) -> Error {
        let hint = match (stage, source.raw_os_error()) {
            (Stage::MountProc, Some(libc::EPERM)) => {
                "; parts of /proc are covered here (a container?): it must be visible whole, \
                 for Docker and Podman: --security-opt systempaths=unconfined"
            }
            (Stage::MapUsers, Some(libc::EPERM)) => "; does a security module restrict user namespaces?",
            (Stage::BindFile, Some(libc::ENOENT)) => "; the file to cover must exist",
            (Stage::Exec, Some(libc::ENOENT)) => "; if the file exists, its interpreter does not",
            _ => "",
        };
        Error::Spawn { program: self.program.clone(), stage: stage.text().to_owned(), source, hint }
    }

    fn next(&self) -> Result<Option<Report>, Error> {
        let failed = |error: rustix::io::Errno| Error::io(format!("start {}", self.program), error);
        let left = self.deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 });
        let mut watch = [PollFd::new(&self.socket, PollFlags::IN)];
        if rustix::io::retry_on_intr(|| poll(&mut watch, Some(&timeout))).map_err(failed)? == 0 {
            return Err(self.error(Stage::Exec, io::ErrorKind::TimedOut.into()));
        }
        let mut record = [0; Report::LENGTH];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            let mut slices = [io::IoSliceMut::new(&mut record)];
            recvmsg(&self.socket, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC)
        })
        .map_err(failed)?;
        if received.bytes == 0 {
            return Ok(None);
        }
        let mut pid = 0;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmCredentials(sender) = message {
                pid = sender.pid.as_raw_nonzero().get().cast_unsigned();
            }
        }
        let stage = Stage::ALL.get(usize::from(record[0])).copied();
        let errno = i32::from_ne_bytes([record[4], record[5], record[6], record[7]]);
        match stage {
            Some(stage) if received.bytes == Report::LENGTH && errno == 0 => Ok(Some(Report { stage, pid })),
            Some(stage) if received.bytes == Report::LENGTH => {
                Err(self.error(stage, io::Error::from_raw_os_error(errno)))
            }
            _ => Err(Error::Invalid(format!("{}: a garbled report of a child", self.program))),
        }
    }
}

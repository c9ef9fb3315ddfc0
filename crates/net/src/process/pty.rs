//! Pseudo terminals.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// Both ends of a pseudo terminal; close-on-exec.
#[derive(Debug)]
pub struct Pty {
    /// The end that plays the user.
    pub master: OwnedFd,
    /// The terminal that the program sees; see [`super::Stdio::Terminal`].
    pub terminal: OwnedFd,
}

/// Opens a pseudo terminal.
pub fn open_pty() -> io::Result<Pty> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let terminal = ioctl_tiocgptpeer(&master, flags)?;
    Ok(Pty { master, terminal })
}

/// Sets the size of a terminal; the programs on it are told by `WINCH`.
pub fn set_window_size(pty: impl AsFd, rows: u16, columns: u16) -> io::Result<()> {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    Ok(tcsetwinsize(pty, size)?)
}

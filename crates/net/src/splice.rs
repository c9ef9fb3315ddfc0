//! Moving bytes from one socket to another within the kernel, by way of a pipe (splice(2)).

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice};

/// What a pipe should hold, in bytes: a system call should move much. Less if the user's pipes are limited
/// (`fs.pipe-user-pages-soft`).
const SIZE: usize = 256 * 1024;

/// A pipe between two sockets: two file descriptors, and as much kernel memory as it holds.
#[derive(Debug)]
pub struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
    size: usize,
    held: usize,
}

impl Pipe {
    /// An empty pipe.
    pub fn new() -> io::Result<Self> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        let size = match fcntl_setpipe_size(&write, SIZE) {
            Ok(size) => size,
            // What the kernel has granted, which is a page or two for a user with many pipes.
            Err(_) => fcntl_getpipe_size(&write)?,
        };
        Ok(Self { read, write, size, held: 0 })
    }

    /// How many bytes it holds at most.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Whether everything that was filled in was drained.
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Takes what `socket` has, without waiting; 0 at its end. To be called while the pipe is empty: then
    /// [`io::ErrorKind::WouldBlock`] says that the socket has nothing.
    pub fn fill(&mut self, socket: impl AsFd) -> io::Result<usize> {
        let n = splice(socket, None, &self.write, None, self.size, SpliceFlags::NONBLOCK | SpliceFlags::MOVE)?;
        self.held += n;
        Ok(n)
    }

    /// Gives `socket` of what the pipe holds, without waiting; [`io::ErrorKind::WouldBlock`] says that it is full.
    pub fn drain(&mut self, socket: impl AsFd) -> io::Result<usize> {
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        let n = splice(&self.read, None, socket, None, self.held, flags)?;
        self.held -= n.min(self.held);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        os::unix::net::UnixStream,
        thread,
    };

    use super::*;

    #[test]
    fn bytes_pass_in_order_and_the_end_shows() {
        let (mut near, source) = UnixStream::pair().unwrap();
        let (sink, mut far) = UnixStream::pair().unwrap();
        let sent: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let expected = sent.clone();
        let writer = thread::spawn(move || near.write_all(&sent));
        let reader = thread::spawn(move || {
            let mut seen = Vec::new();
            far.read_to_end(&mut seen).map(|_| seen)
        });
        let mut pipe = Pipe::new().unwrap();
        while patiently(|| pipe.fill(&source)) > 0 {
            while !pipe.is_empty() {
                patiently(|| pipe.drain(&sink));
            }
        }
        drop(sink);
        writer.join().unwrap().unwrap();
        assert!(reader.join().unwrap().unwrap() == expected);
    }

    /// Tries again until the other side has done something.
    fn patiently(mut attempt: impl FnMut() -> io::Result<usize>) -> usize {
        loop {
            match attempt() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::yield_now(),
                result => return result.unwrap(),
            }
        }
    }

    #[test]
    fn a_pipe_knows_its_size() {
        let pipe = Pipe::new().unwrap();
        assert_eq!(pipe.size(), fcntl_getpipe_size(&pipe.write).unwrap());
    }

    #[test]
    fn a_socket_without_bytes_would_block() {
        let (near, source) = UnixStream::pair().unwrap();
        source.set_nonblocking(true).unwrap();
        let mut pipe = Pipe::new().unwrap();
        assert_eq!(pipe.fill(&source).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(near);
        assert_eq!(pipe.fill(&source).unwrap(), 0);
    }
}

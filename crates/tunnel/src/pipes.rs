//! Pipes for long transfers between two sockets, kept by the thread for whichever transfer has bytes on their way.

use std::{
    cell::{Cell, RefCell},
    ops::{Deref, DerefMut},
};

use ripstop_net::splice::Pipe;
use ripstop_tls::Buffer;

/// Pipes kept for reuse. A worker handles one transfer at a time, so few hold bytes at once unless readers are slow.
const KEPT: usize = 8;
/// Pipes of a thread that may be out: readers that are slow must not cost the others their descriptors. 128 of 256 KiB
/// are half of what the kernel grants one user at that size (`fs.pipe-user-pages-soft`).
const MOST: usize = 128;

thread_local! {
    static KEEP: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
    static OUT: Cell<usize> = const { Cell::new(0) };
}

/// A pipe that goes back to the thread when it is dropped.
#[derive(Debug)]
pub(crate) struct Lent {
    /// Present until then.
    pipe: Option<Pipe>,
}

/// An empty pipe; none if there are too many (of the thread, the process or the user) to be had in a useful size.
pub(crate) fn take() -> Option<Lent> {
    if OUT.get() >= MOST {
        return None;
    }
    let kept = KEEP.with_borrow_mut(Vec::pop);
    let new = || Pipe::new().ok().filter(|pipe| pipe.size() >= Buffer::SIZE);
    let pipe = kept.or_else(new)?;
    OUT.set(OUT.get() + 1);
    Some(Lent { pipe: Some(pipe) })
}

impl Deref for Lent {
    type Target = Pipe;

    fn deref(&self) -> &Pipe {
        self.pipe.as_ref().expect("present until it is dropped")
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut Pipe {
        self.pipe.as_mut().expect("present until it is dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // A thread that is ending has no store any more; the pipe is closed then.
        let _ = OUT.try_with(|out| out.set(out.get().saturating_sub(1)));
        let Some(pipe) = self.pipe.take().filter(Pipe::is_empty) else { return };
        let _ = KEEP.try_with(|keep| {
            let mut keep = keep.borrow_mut();
            if keep.len() < KEPT {
                keep.push(pipe);
            }
        });
    }
}

/// Pipes of this thread that are out.
#[cfg(test)]
pub(crate) fn lent() -> usize {
    OUT.get()
}

#[cfg(test)]
mod tests;

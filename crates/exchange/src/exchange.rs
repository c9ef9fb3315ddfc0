//! What both sides of an exchange have in common.

use std::io::IoSlice;

/// What waits of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Bytes, which can be looked at and then consumed.
    Data,
    /// Nothing more: it is complete, and so are its trailers.
    End,
}

/// A piece of a body, where it lies.
#[derive(Debug)]
pub struct Slices<'a> {
    slices: [IoSlice<'a>; MOST],
    used: usize,
}

/// Slices given at once at most.
pub(crate) const MOST: usize = 16;

impl<'a> Slices<'a> {
    pub(crate) fn none() -> Self {
        Self { slices: [IoSlice::new(&[]); MOST], used: 0 }
    }

    pub(crate) fn one(bytes: &'a [u8]) -> Self {
        let mut slices = Self::none();
        slices.push(bytes);
        slices
    }

    /// Adds a slice, if there is a place for it.
    pub(crate) fn push(&mut self, bytes: &'a [u8]) {
        if let Some(place) = self.slices.get_mut(self.used) {
            *place = IoSlice::new(bytes);
            self.used += 1;
        }
    }

    /// The slices, in order.
    pub fn as_slice(&self) -> &[IoSlice<'a>] {
        &self.slices[..self.used]
    }

    /// How many bytes they have together.
    pub fn len(&self) -> usize {
        self.as_slice().iter().map(|slice| slice.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'a> From<&'a [u8]> for Slices<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::one(bytes)
    }
}

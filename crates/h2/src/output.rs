//! What waits to be sent.

use crate::frame::{HEAD, Head};

/// Bytes in order, with a tail that is initialised, so that payload can be read straight into it. Its storage can be
/// lent and taken back while it is empty.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// Initialised as far as it is long.
    storage: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes of answers among the first `counted` that wait, and among the others.
    answers: usize,
    later_answers: usize,
    counted: usize,
    /// All bytes that were ever taken off.
    gone: u64,
}

/// Storage grows in steps of this.
const STEP: usize = 4096;

impl Output {
    pub(crate) fn filled(&self) -> &[u8] {
        &self.storage[self.start..self.end]
    }

    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn consume(&mut self, n: usize) {
        let n = n.min(self.len());
        self.start += n;
        self.gone += n as u64;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            (self.answers, self.later_answers, self.counted) = (0, 0, 0);
            return;
        }
        self.counted = self.counted.saturating_sub(n);
        if self.counted == 0 {
            (self.answers, self.later_answers) = (self.later_answers, 0);
            self.counted = self.len();
        }
    }

    /// All bytes that were ever taken off.
    pub(crate) fn gone(&self) -> u64 {
        self.gone
    }

    /// All bytes that were ever put in.
    pub(crate) fn put_in(&self) -> u64 {
        self.gone + self.len() as u64
    }

    /// Gives storage to an output that is empty.
    pub(crate) fn supply(&mut self, storage: Vec<u8>) {
        if self.len() == 0 && storage.len() > self.storage.len() {
            self.storage = storage;
        }
    }

    /// Bytes of storage.
    pub(crate) fn storage(&self) -> usize {
        self.storage.len()
    }

    /// Takes the storage of an output that is empty.
    pub(crate) fn recycle(&mut self) -> Option<Vec<u8>> {
        (self.len() == 0 && !self.storage.is_empty()).then(|| std::mem::take(&mut self.storage))
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.tail(bytes.len()).copy_from_slice(bytes);
        self.end += bytes.len();
    }

    pub(crate) fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let space = self.tail(HEAD + payload.len());
        let (head, body) = space.split_at_mut(HEAD);
        head.copy_from_slice(&Head::new(payload.len(), kind, flags, stream).bytes());
        body.copy_from_slice(payload);
        self.end += HEAD + payload.len();
    }

    /// A frame that the peer makes us say.
    pub(crate) fn answer(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.frame(kind, flags, stream, payload);
        self.later_answers += HEAD + payload.len();
    }

    /// Bytes of answers that wait, or a little more: those that went are told apart only now and then.
    pub(crate) fn answers(&self) -> usize {
        self.answers + self.later_answers
    }

    /// Room for a frame's payload of at most `most` bytes, behind room for its head.
    pub(crate) fn payload_space(&mut self, most: usize) -> &mut [u8] {
        &mut self.tail(HEAD + most)[HEAD..]
    }

    /// Makes `length` bytes of the last [`Self::payload_space`] a frame.
    pub(crate) fn frame_in_place(&mut self, kind: u8, flags: u8, stream: u32, length: usize) {
        let head = Head::new(length, kind, flags, stream).bytes();
        self.tail(HEAD + length)[..HEAD].copy_from_slice(&head);
        self.end += HEAD + length;
    }

    /// The next `n` bytes after what is filled.
    fn tail(&mut self, n: usize) -> &mut [u8] {
        if self.storage.len() - self.end < n {
            // Only if it is worth it: a peer that reads little by little must not have us move all of it each time.
            if self.start >= self.len() {
                self.storage.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            let needed = self.end + n;
            if self.storage.len() < needed {
                self.storage.resize(needed.next_multiple_of(STEP), 0);
            }
        }
        &mut self.storage[self.end..self.end + n]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_out_in_order_however_they_went_in() {
        let mut output = Output::default();
        let mut expected = Vec::new();
        let mut seen = Vec::new();
        for round in 0..200_u32 {
            let body = vec![u8::try_from(round).unwrap(); usize::try_from(round * 7 % 500).unwrap()];
            output.frame(0x6, 0, round, &body);
            expected.extend_from_slice(&Head::new(body.len(), 0x6, 0, round).bytes());
            expected.extend_from_slice(&body);
            output.payload_space(300)[..5].copy_from_slice(b"hello");
            output.frame_in_place(0x0, 1, round, 5);
            expected.extend_from_slice(&Head::new(5, 0x0, 1, round).bytes());
            expected.extend_from_slice(b"hello");
            let n = output.len().min(400);
            seen.extend_from_slice(&output.filled()[..n]);
            output.consume(n);
        }
        seen.extend_from_slice(output.filled());
        assert_eq!(seen, expected);
    }

    #[test]
    fn storage_is_lent_and_given_back_only_while_empty() {
        let mut output = Output::default();
        assert_eq!(output.recycle(), None);
        output.supply(vec![0; 70_000]);
        output.put(b"x");
        assert_eq!(output.recycle(), None);
        output.consume(1);
        assert_eq!(output.recycle().map(|storage| storage.len()), Some(70_000));
    }
}

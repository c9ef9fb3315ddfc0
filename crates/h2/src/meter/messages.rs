//! Messages of gRPC in content that passes: a byte, a length of four, and as many bytes.

/// Bytes before a message.
const PREFIX: usize = 5;

/// Counts messages in one direction of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Messages {
    prefix: [u8; PREFIX],
    /// Bytes of the prefix that were seen.
    seen: usize,
    /// Bytes of the message that are still to come.
    left: u64,
    /// Messages that began with a whole prefix.
    pub(super) count: u64,
}

impl Messages {
    pub(super) fn show(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let n = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= n as u64;
                bytes = &bytes[n..];
                continue;
            }
            let n = bytes.len().min(PREFIX - self.seen);
            self.prefix[self.seen..self.seen + n].copy_from_slice(&bytes[..n]);
            self.seen += n;
            bytes = &bytes[n..];
            if self.seen == PREFIX {
                let [_, length @ ..] = self.prefix;
                self.left = u32::from_be_bytes(length).into();
                self.seen = 0;
                self.count += 1;
            }
        }
    }
}

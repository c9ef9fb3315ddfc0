//! What is said on a stream, and what has to come of it.

use std::{fmt, io::ErrorKind, sync::LazyLock};

/// One stream's conversation.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What the client says, and how the server listens.
    pub(crate) forward: Flow,
    /// What the server says, and how the client listens.
    pub(crate) backward: Flow,
    pub(crate) ending: Ending,
}

/// One direction.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    /// Where what is said begins in the noise.
    pub(crate) offset: usize,
    /// Sizes of writes.
    pub(crate) writes: Vec<usize>,
    /// Sizes of reads, again and again.
    pub(crate) reads: Vec<usize>,
    /// Turns of the other tasks between two reads.
    pub(crate) pause: usize,
    pub(crate) start: Start,
}

/// When a listener begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    AtOnce,
    /// When all streams that stall nobody have ended.
    Last,
}

/// How a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The server does not accept.
    Refused,
    /// Each direction on its own, after its last write.
    Both,
    /// One side says all, hears that this has arrived, and goes.
    Gone(Side, How),
    /// One side goes after it has read one byte, and the other says something until it can't.
    Early(Side, How),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// How a side goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// The stream is dropped.
    Drop,
    /// As a TCP reset.
    Abort,
}

/// What a side found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Status of a refusal, at the client.
    pub(crate) refused: Option<u16>,
    pub(crate) heard: Heard,
    /// How reading ended; none if it was not read to the end.
    pub(crate) read: Option<Result<(), ErrorKind>>,
    /// How writing ended; none if it was not tried.
    pub(crate) written: Option<Result<(), ErrorKind>>,
}

/// What came.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Heard(pub(crate) Vec<u8>);

/// What both sides found, the client first.
pub(crate) type Outcomes = [Outcome; 2];

/// A sequence of numbers (xorshift).
struct Random(u64);

impl Plan {
    /// The streams of a tunnel.
    pub(crate) fn many(seed: u64) -> Vec<Self> {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let streams = 20 + random.below(60);
        (0..streams).map(|_| Self::one(&mut random)).collect()
    }

    fn one(random: &mut Random) -> Self {
        let side = if random.below(2) == 0 { Side::Client } else { Side::Server };
        let how = if random.below(2) == 0 { How::Drop } else { How::Abort };
        let ending = match random.below(10) {
            0 => Ending::Refused,
            1 => Ending::Gone(side, how),
            2 => Ending::Early(side, how),
            _ => Ending::Both,
        };
        let (forward, backward) = (Flow::one(random), Flow::one(random));
        let mut plan = Self { forward, backward, ending };
        if ending != Ending::Both {
            // Who stalls would only hold up the end.
            (plan.forward.start, plan.backward.start) = (Start::AtOnce, Start::AtOnce);
        }
        plan
    }

    /// Whether a listener of it begins last.
    pub(crate) fn stalls(&self) -> bool {
        [&self.forward, &self.backward].iter().any(|flow| flow.start == Start::Last)
    }

    /// What has to come of it.
    pub(crate) fn outcomes(&self) -> Outcomes {
        let heard = |flow: &Flow| Heard(flow.bytes().to_vec());
        let one = |bytes: &[u8]| Heard(bytes.to_vec());
        let mut client = Outcome::default();
        let mut server = Outcome::default();
        match self.ending {
            Ending::Refused => client.refused = Some(503),
            Ending::Both => {
                client = Outcome { heard: heard(&self.backward), read: Some(Ok(())), written: Some(Ok(())), ..client };
                server = Outcome { heard: heard(&self.forward), read: Some(Ok(())), written: Some(Ok(())), ..server };
            }
            Ending::Gone(side, how) => {
                let (flow, goes, stays) = match side {
                    Side::Client => (&self.forward, &mut client, &mut server),
                    Side::Server => (&self.backward, &mut server, &mut client),
                };
                goes.heard = one(b"!");
                stays.heard = heard(flow);
                stays.read = Some(how.read_as());
                stays.written = Some(Err(ErrorKind::BrokenPipe));
            }
            Ending::Early(side, how) => {
                let (goes, stays) = match side {
                    Side::Client => (&mut client, &mut server),
                    Side::Server => (&mut server, &mut client),
                };
                goes.heard = one(&[0]);
                stays.heard = one(&[]);
                stays.read = Some(how.read_as());
                stays.written = Some(Err(ErrorKind::BrokenPipe));
            }
        }
        [client, server]
    }
}

impl How {
    fn read_as(self) -> Result<(), ErrorKind> {
        match self {
            Self::Drop => Ok(()),
            Self::Abort => Err(ErrorKind::BrokenPipe),
        }
    }
}

impl Flow {
    fn one(random: &mut Random) -> Self {
        let (most_writes, most_bytes) = [(0, 1), (200, 30), (40, 3_000), (5, 70_000), (1, 700_000)][random.below(5)];
        let count = random.below(most_writes + 1);
        let writes = (0..count).map(|_| 1 + random.below(most_bytes)).collect();
        let most_read = [7_000, 20_000, 70_000, 300_000][random.below(4)];
        let reads = (0..=random.below(4)).map(|_| 500 + random.below(most_read)).collect();
        let start = if random.below(8) == 0 { Start::Last } else { Start::AtOnce };
        Self { offset: random.below(1_000_000), writes, reads, pause: random.below(4), start }
    }

    pub(crate) fn bytes(&self) -> &'static [u8] {
        static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| crate::testing::noise(2_000_000, 1));
        &NOISE[self.offset..][..self.writes.iter().sum()]
    }
}

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from((self.next() >> 11) % bound as u64).unwrap()
    }
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, {:?}…", self.0.len(), &self.0[..self.0.len().min(8)])
    }
}

//! What sealing and opening a message costs, by who makes the records of TLS: rustls, or our own layer. No sockets;
//! ciphertext is copied once, from the writer's queue to the reader's buffer, as a kernel would twice.
//!
//! Nothing here judges: ratios count, absolute figures are those of the machine.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Parser;
use ripstop_identity::{CertificateAuthority, ClientAuth, Svid, client_config, new_csr, server_config, server_name};
use ripstop_model::{SpiffeId, TrustDomain};
use ripstop_tls::{Buffer, Progress, Records, Session};

/// The allocator of the proxies: rustls allocates for every record.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "Measures sealing and opening records of TLS")]
struct Cli {
    /// How often everything is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How many batches of messages are measured for each figure, which is that of the fastest: whatever else the
    /// machine does only ever makes one slower.
    #[arg(long, default_value_t = 100)]
    batches: usize,
}

/// Both ends of a connection.
struct Pair {
    client: Session,
    server: Session,
    plain: Buffer,
}

/// Payload of a message: what is sealed at once.
const SIZES: [usize; 5] = [128, 1 << 10, 16_375, 16 << 10, 64 << 10];
/// Bytes of a batch, and its messages if they are small.
const BATCH: (usize, usize) = (4 << 20, 4_000);
/// A header of HTTP/2, sealed in one run with its payload.
const HEADER: [u8; 9] = [1; 9];

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let dir = std::env::temp_dir().join(format!("bench-records-{}", std::process::id()));
    let measured = measure(&cli, &dir);
    std::fs::remove_dir_all(&dir).context("can't remove the authority's directory")?;
    measured
}

fn measure(cli: &Cli, dir: &std::path::Path) -> anyhow::Result<()> {
    println!("ns a message, sealed and opened; rustls / own");
    for round in 1..=cli.rounds {
        let mut pairs = [Pair::connect(dir, Records::Rustls)?, Pair::connect(dir, Records::Own)?];
        for size in SIZES {
            let payload = vec![7; size];
            for parts in [&[payload.as_slice()][..], &[&HEADER, payload.as_slice()]] {
                let messages = (BATCH.0 / size).min(BATCH.1).try_into().expect("some thousand");
                let mut fastest = [Duration::MAX; 2];
                for _ in 0..cli.batches {
                    for (pair, fastest) in pairs.iter_mut().zip(&mut fastest) {
                        *fastest = pair.run(parts, messages).min(*fastest);
                    }
                }
                let [rustls, own] = fastest;
                let per_message = |taken: Duration| taken.as_secs_f64() * 1e9 / f64::from(messages);
                let bits = f64::from(u32::try_from(8 * size).expect("some KiB"));
                let gigabits = |taken: Duration| bits / per_message(taken);
                println!(
                    "round {round}, {:>2} + {size:>5} bytes: {:>6.0} / {:>6.0} ns, {:.2}; {:>5.1} / {:>5.1} Gbit/s",
                    parts.len() / 2 * HEADER.len(),
                    per_message(rustls),
                    per_message(own),
                    own.as_secs_f64() / rustls.as_secs_f64(),
                    gigabits(rustls),
                    gigabits(own),
                );
            }
        }
    }
    Ok(())
}

// === impl Pair ===

impl Pair {
    fn connect(dir: &std::path::Path, records: Records) -> anyhow::Result<Self> {
        let domain: TrustDomain = "bench.test".parse()?;
        let authority = CertificateAuthority::load_or_create(dir, &domain)?;
        let svid = |account: &str| -> anyhow::Result<(SpiffeId, Svid)> {
            let id = SpiffeId::service_account(&domain, "bench", account)?;
            let (key, csr) = new_csr()?;
            let chain = authority.issue(&csr, &id, Duration::from_mins(10))?;
            Ok((id, Svid::new(&chain.pem(), key)?))
        };
        let ((_, client), (server_id, server)) = (svid("client")?, svid("server")?);
        let client = client_config(&client, authority.roots(), [server_id], &[b"h2"]);
        let server = server_config(&server, authority.roots(), ClientAuth::Required, &[b"h2"]);
        let mut pair = Self {
            client: Session::client_with(client, server_name(), records)?,
            server: Session::server_with(server, records)?,
            plain: Buffer::default(),
        };
        while pair.client.is_handshaking() || pair.server.is_handshaking() {
            carry(&mut pair.client, &mut pair.server, &mut pair.plain);
            carry(&mut pair.server, &mut pair.client, &mut pair.plain);
        }
        anyhow::ensure!(pair.client.records() == records, "the sessions have other records than asked for");
        Ok(pair)
    }

    /// Seals and opens `parts` so many times.
    fn run(&mut self, parts: &[&[u8]], messages: u32) -> Duration {
        let size: usize = parts.iter().map(|part| part.len()).sum();
        let mut heard = 0;
        let start = Instant::now();
        for _ in 0..messages {
            self.client.seal(black_box(parts)).expect("a session in good order seals");
            heard += carry(&mut self.client, &mut self.server, &mut self.plain);
        }
        let taken = start.elapsed();
        assert_eq!(heard, size * messages as usize, "everything arrives");
        taken
    }
}

/// Carries all that `from` has to say; `to` opens it. Tells how many bytes came of it.
fn carry(from: &mut Session, to: &mut Session, plain: &mut Buffer) -> usize {
    let mut heard = 0;
    while from.wants_write() {
        let mut full = false;
        let written = from.write_to(|slices| {
            if std::mem::replace(&mut full, true) {
                return Err(std::io::ErrorKind::WouldBlock.into());
            }
            to.read_from(|space| {
                let mut n = 0;
                for slice in slices {
                    let len = slice.len().min(space.len() - n);
                    space[n..n + len].copy_from_slice(&slice[..len]);
                    n += len;
                }
                Ok(n)
            })
        });
        debug_assert!(written.is_ok() || full, "the reader had space");
        loop {
            let progress = to.open(plain).expect("honest records are opened");
            heard += black_box(plain.filled()).len();
            plain.consume(plain.len());
            if progress == Progress::Drained {
                break;
            }
        }
    }
    heard
}

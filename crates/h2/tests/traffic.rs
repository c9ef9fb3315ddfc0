//! Traffic that is in order: what one end sends, the other finds, whoever is at it: this crate or the `h2` crate.
#![allow(missing_docs)]

#[path = "traffic/ours.rs"]
mod ours;
#[path = "traffic/plan.rs"]
mod plan;
#[path = "traffic/theirs.rs"]
mod theirs;

use std::{sync::Arc, time::Duration};

use plan::{Fate, Plan, Seen};
use ripstop_h2::{Config, Limits};
use tokio::io::duplex;

const SEEDS: u64 = 25;
/// Nothing takes so long; a run that hangs fails.
const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
enum Who {
    Ours,
    Theirs,
}

/// What we offer, by seed.
fn config(plan: &Plan) -> Config {
    let window = plan.pick(&[700, 16_384, 65_535, 256 * 1024]);
    Config {
        window,
        max_window: window * plan.pick(&[1, 8]),
        connection_window: (window * 64 + (1 << 17)).max(65_535),
        max_frame: plan.pick(&[16_384, 40_000, 1 << 20]),
        header_table: plan.pick(&[0, 200, 4_096, 65_536]),
        max_streams: plan.pick(&[1, 7, 60]),
        output: usize::try_from(plan.pick(&[100, 20_000, 128 * 1024])).unwrap(),
        // Small windows make for many small frames.
        limits: Limits { idle_frames: ripstop_h2::Rate::new(1 << 20, 1 << 20), ..Limits::default() },
        ..Config::default()
    }
}

fn exchange(client: Who, server: Who) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut whole, mut reset) = (0, 0);
    for seed in 0..SEEDS {
        let plan = Arc::new(Plan::new(seed));
        let (near, far) = duplex(usize::try_from(plan.pick(&[50, 4_000, 1 << 16])).unwrap());
        let (asked, served) = runtime.block_on(async {
            let ask = async {
                match client {
                    Who::Ours => ours::ask(near, plan.clone(), config(&plan)).await,
                    Who::Theirs => theirs::ask(near, plan.clone()).await,
                }
            };
            let serve = async {
                match server {
                    Who::Ours => ours::serve(far, plan.clone(), config(&plan)).await,
                    Who::Theirs => theirs::serve(far, plan.clone()).await,
                }
            };
            let both = tokio::time::timeout(DEADLINE, async { tokio::join!(ask, serve) }).await;
            both.unwrap_or_else(|_| panic!("seed {seed}: {client:?} and {server:?} wait for each other"))
        });
        for (n, exchange) in plan.exchanges.iter().enumerate() {
            let context = format!("seed {seed}, exchange {n}, {client:?} asks {server:?}");
            match exchange.fate {
                Fate::Whole => {
                    assert_eq!(served.get(&n), Some(&Seen::Message(exchange.request.clone())), "request: {context}");
                    assert_eq!(asked.get(&n), Some(&Seen::Message(exchange.response.clone())), "answer: {context}");
                    whole += 1;
                }
                Fate::ServerResets(code) => {
                    assert_eq!(served.get(&n), Some(&Seen::Message(exchange.request.clone())), "request: {context}");
                    assert_eq!(asked.get(&n), Some(&Seen::Reset(code)), "{context}");
                    reset += 1;
                }
                // The h2 crate may drop what it was about to send, so that the server never hears of it.
                Fate::ClientResets(code) => match served.get(&n) {
                    Some(seen) => {
                        assert_eq!(seen, &Seen::Reset(code), "{context}");
                        reset += 1;
                    }
                    None => assert!(matches!(client, Who::Theirs), "{context}"),
                },
            }
        }
    }
    assert!(whole > 400 && reset > 40, "{whole} and {reset}");
}

#[test]
fn we_ask_ourselves() {
    exchange(Who::Ours, Who::Ours);
}

#[test]
fn we_ask_them() {
    exchange(Who::Ours, Who::Theirs);
}

#[test]
fn they_ask_us() {
    exchange(Who::Theirs, Who::Ours);
}

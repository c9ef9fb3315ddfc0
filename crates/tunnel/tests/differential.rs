//! Conversations drawn from a seed, on many streams of one tunnel at once: between two of ours, ours and the library's
//! in both roles, and two of the library's. All four have to give the same bytes and the same kinds of ends.

mod differential {
    pub(crate) mod plan;
    pub(crate) mod play;
}

#[allow(dead_code, reason = "shared with the unit tests, which use the rest")]
#[path = "../src/testing.rs"]
mod testing;

use ripstop_tunnel::{
    Accepted, ConnectRequest, Credentials, IncomingStream, TunnelError, TunnelKey, TunnelPool, TunnelStream, accept,
};

use crate::{
    differential::{
        plan::Plan,
        play::{Implementation, play},
    },
    testing::Mesh,
};

const PAIRS: [(Implementation, Implementation); 4] = [
    (Implementation::Library, Implementation::Library),
    (Implementation::Ours, Implementation::Ours),
    (Implementation::Ours, Implementation::Library),
    (Implementation::Library, Implementation::Ours),
];

async fn compare(seed: u64) {
    let mesh = Mesh::new();
    let plans = Plan::many(seed);
    let expected: Vec<_> = plans.iter().map(Plan::outcomes).collect();
    for (client, server) in PAIRS {
        let found = play(&mesh, client, server, &plans).await;
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found, expected, "seed {seed}, stream {i} of {client:?} to {server:?}: {:?}", plans[i]);
        }
    }
}

macro_rules! seeds {
    ($($name:ident $seed:literal)*) => {
        $(#[tokio::test(flavor = "local")]
        async fn $name() {
            compare($seed).await;
        })*
    };
}

seeds! { seed_1 1 seed_2 2 seed_3 3 seed_4 4 seed_5 5 seed_6 6 seed_7 7 seed_8 8 }

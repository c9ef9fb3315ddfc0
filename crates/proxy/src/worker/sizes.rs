//! What connections take in memory for as long as they last, whatever passes on them: a growth is a decision. What is seldom
//! gets a room of its own when it comes to pass, and what is given to another future is pinned before, since moved into it, it
//! would take room in both.

use super::*;
use crate::{
    http::arrive::Arrived,
    testing::{any, future_size},
};

#[test]
fn connections() {
    let sizes = [
        ("outbound", future_size(|| outbound::serve(any(), any(), any(), any(), any())), 4_700),
        ("plaintext", future_size(|| plaintext::serve(any(), any(), any(), any())), 4_200),
        ("a tunnel", future_size(|| inbound::serve(any(), any(), any(), any())), 1_700),
        ("at a gateway", future_size(|| gateway::serve(any(), any(), any(), any(), any())), 6_000),
        ("a tunnel to a waypoint", future_size(|| waypoint::serve(any(), any(), any(), any())), 1_400),
        ("whose requests are judged", future_size(|| Arrived::carry(any(), any())), 10_500),
    ];
    for (what, size, most) in sizes {
        assert!(size <= most, "{what}: {size} bytes, more than {most}");
    }
}

use super::*;

#[test]
fn a_call_of_grpc_counts_by_its_own_status() {
    for (status, grpc, expected) in [
        (200, None, 200),
        (503, None, 503),
        (200, Some(0), 200),
        (200, Some(14), 503),
        (200, Some(2), 500),
        (502, Some(0), 502),
    ] {
        assert_eq!(outcome(status, grpc), Outcome::Status(expected), "{status} {grpc:?}");
    }
}

use super::*;

#[test]
fn only_a_whole_message_that_says_so_is_well() {
    let answer = |status: i32| framed(&HealthCheckResponse { status }.encode_to_vec());
    assert_eq!(health_answer(&answer(1)), Ok(()));
    let not_well = |framed: &[u8]| health_answer(framed).unwrap_err().to_string();
    assert_eq!(not_well(&answer(0)), "UNKNOWN");
    assert_eq!(not_well(&answer(2)), "NOT_SERVING");
    assert_eq!(not_well(&answer(9)), "serving status 9");
    let good = answer(1);
    for end in 0..good.len() {
        health_answer(&good[..end]).unwrap_err();
    }
    let compressed = [&[1], &good[1..]].concat();
    let longer = [&good[..], &[0]].concat();
    let foreign = framed(&[0xff; 7]);
    let open = framed(&[8, 1, 9]);
    for bad in [&compressed[..], &longer, &foreign, &open, b"HTTP/1.1 200 OK\r\n\r\n"] {
        assert_eq!(not_well(bad), "no message of a health service");
    }
}

#[test]
fn what_is_asked() {
    assert_eq!(health_question(""), [0; PREFIX]);
    assert_eq!(health_question("cart"), b"\0\0\0\0\x06\x0a\x04cart");
}

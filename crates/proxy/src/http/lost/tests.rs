use std::io;

use super::*;

const SOON: Duration = Duration::from_millis(249);

fn failure(fault: Fault, sent: Sent, answered: Answered) -> Failure {
    Failure { party: Party::Upstream, fault, sent, answered }
}

#[test]
fn only_what_does_no_harm_goes_again() {
    let gone = |sent| failure(Fault::Gone, sent, Answered::Nothing);
    for (method, sent, again) in [
        ("GET", Sent::All, true),
        ("PUT", Sent::PartOfBody, true),
        ("POST", Sent::All, false),
        ("POST", Sent::PartOfHead, false),
        ("POST", Sent::Nothing, true),
        ("PATCH", Sent::Head, false),
        ("get", Sent::All, false),
    ] {
        assert_eq!(may_go_again(&gone(sent), true, SOON, method), again, "{method} {sent:?}");
        assert!(!may_go_again(&gone(sent), false, SOON, method), "a new connection that ends is a failure");
    }
}

#[test]
fn only_an_end_without_a_word_is_one() {
    let reset = || Fault::Io(io::ErrorKind::ConnectionReset.into());
    assert!(may_go_again(&failure(reset(), Sent::All, Answered::Nothing), true, SOON, "GET"));
    assert!(!may_go_again(&failure(reset(), Sent::All, Answered::Begun), true, SOON, "GET"));
    assert!(!may_go_again(&failure(Fault::HeadTooLarge, Sent::Nothing, Answered::Nothing), true, SOON, "GET"));
    let client = Failure { party: Party::Downstream, ..failure(Fault::Gone, Sent::All, Answered::Nothing) };
    assert!(!may_go_again(&client, true, SOON, "GET"));
    // Later, the server has had it.
    assert!(!may_go_again(&failure(reset(), Sent::All, Answered::Nothing), true, CROSSED, "GET"));
    // The server says that it has not looked at it.
    assert!(may_go_again(&failure(Fault::Unprocessed, Sent::All, Answered::Nothing), true, CROSSED, "POST"));
}

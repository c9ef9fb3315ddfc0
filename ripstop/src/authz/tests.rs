use clap::Parser;

use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    check: Check,
}

fn read(words: &str) -> Check {
    Command::try_parse_from(format!("check {words}").split_whitespace()).unwrap().check
}

#[test]
fn a_workload_is_named_with_or_without_its_namespace() {
    for (words, expected) in [
        ("reviews", Some("reviews")),
        ("reviews.shop", Some("reviews.shop")),
        ("shop/reviews", Some("shop/reviews")),
        ("reviews -n shop", Some("shop/reviews")),
        ("shop/reviews --namespace shop", Some("shop/reviews")),
        ("bank/reviews -n shop", None),
    ] {
        assert_eq!(read(words).name().ok().as_deref(), expected, "{words}");
    }
}

#[test]
fn what_does_not_run_cannot_be_called() {
    for (words, accepted) in [
        ("new --labels app=a,version=v1", true),
        ("new --labels app=a --from web", false),
        ("new --labels app=a --port 80", false),
        ("new --labels app=a -X POST", false),
        ("new --labels app", false),
        ("reviews --from web -X POST", true),
    ] {
        assert_eq!(read(words).labels().is_ok(), accepted, "{words}");
    }
}

#[test]
fn a_call_goes_to_a_port_of_the_workload_by_its_protocol() {
    let port = |port, protocol: &str| ripstop_explain::PortAnswer { port, protocol: protocol.into() };
    let answer = CheckAnswer {
        address: Some("10.0.0.1".into()),
        ports: vec![port(9000, "tcp"), port(8080, "http")],
        ..CheckAnswer::default()
    };
    for (words, to, protocol) in [
        ("reviews --from web", "10.0.0.1:8080", "http"),
        ("reviews --from web --port 9000", "10.0.0.1:9000", ""),
        ("reviews --from web --port 8080 --protocol tcp", "10.0.0.1:8080", "tcp"),
        ("reviews --from web --port 1", "10.0.0.1:1", ""),
    ] {
        let question = read(words).question(&answer).unwrap();
        assert_eq!((&*question.to, &*question.protocol), (to, protocol), "{words}");
    }
}

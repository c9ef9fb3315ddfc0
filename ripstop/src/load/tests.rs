use clap::Parser;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    load: Load,
}

fn plan(line: &str) -> Result<Plan> {
    Line::try_parse_from(std::iter::once("load").chain(line.split(' '))).unwrap().load.plan()
}

#[test]
fn a_line_says_what_is_sent() {
    let made = plan("http://web/a --rate 50 -c 3 --http 2 -s 4 -H host:shop -H x-a:b").unwrap();
    assert_eq!((made.protocol, made.pace), (Protocol::Http2, Pace::Open { rate: 50.0 }));
    assert_eq!(made.targets[0].url(), "http://shop/a");
    assert_eq!(made.message.method, "GET");
    assert_eq!(made.message.fields[0], ("x-a".to_owned(), "b".to_owned()));
    assert_eq!(plan("http://web/ --body x").unwrap().message.method, "POST");
    assert_eq!(plan("http://web/ -n 7").unwrap().length, Length::Requests(7));
}

#[test]
fn what_does_not_fit_together_is_told() {
    for (line, said) in [
        ("http://web/ --weights 1,2", "--weights has 2 shares for 1 URLs"),
        ("ftp://web/", "\"ftp://web/\" can't be sent to"),
        ("http://web/ -H nothing", "-H \"nothing\" is no field"),
        ("http://web/ --body @/nowhere", "reading the body from /nowhere"),
        ("https://web/ --cacert /nowhere", "/nowhere"),
    ] {
        let told = plan(line).unwrap_err().to_string();
        assert!(told.starts_with(said), "{line}: {told}");
    }
}

#[test]
fn a_chart_reaches_from_nothing_to_the_largest() {
    let lines = chart::chart(&[0.0, 1.0, 50.0, 100.0], 4, 2, short);
    assert_eq!(lines, ["100 ┤   █", "  0 ┤ ▁██"]);
    assert_eq!(chart::chart(&[0.0; 3], 2, 2, short), ["0 ┤  ", "0 ┤  "]);
}

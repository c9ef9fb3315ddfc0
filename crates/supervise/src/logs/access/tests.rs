use super::*;

const OWN: &str = "2026-11-20T12:30:27.293014Z  WARN ripstop_proxy: the control plane is gone\n";
const CONNECTION: &str = "2026-11-20T12:30:27.293014197Z error access connection denied src.addr=10.244.1.14:36876\n";
const REQUEST: &str = "[2026-11-20T12:30:27.293Z] \"GET /reviews/0 HTTP/1.1\" 200 - via_upstream\n";
const JSON: &str = "{\"start_time\":\"2026-11-20T12:30:27.293Z\"}\n";

#[test]
fn lines_of_the_process_itself_are_left_out() {
    let text = [OWN, CONNECTION, OWN, REQUEST, JSON, OWN].concat();
    let passed = AccessLines::default().push(text.as_bytes());
    assert_eq!(String::from_utf8(passed).unwrap(), [CONNECTION, REQUEST, JSON].concat());
}

#[test]
fn chunks_may_end_anywhere() {
    let text = [CONNECTION, OWN, REQUEST].concat();
    for size in 1..text.len() {
        let mut lines = AccessLines::default();
        let passed: Vec<u8> = text.as_bytes().chunks(size).flat_map(|chunk| lines.push(chunk)).collect();
        assert_eq!(String::from_utf8(passed).unwrap(), [CONNECTION, REQUEST].concat(), "{size}");
    }
    let mut lines = AccessLines::default();
    assert!(lines.push(CONNECTION.trim_end().as_bytes()).is_empty(), "it is not complete");
    assert_eq!(lines.push(b"\n"), CONNECTION.as_bytes());
}

use super::*;

#[test]
fn the_total_is_found() {
    let text = "# callgrind format\nversion: 1\nevents: Ir\nsummary: 99\n\nfn=(1) main\n3 17\ntotals: 123456\n";
    assert_eq!(total(text), Some(123_456));
    assert_eq!(total("events: Ir\n"), None);
}

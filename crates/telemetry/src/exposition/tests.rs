use super::*;

#[test]
fn label_values_are_escaped() {
    assert_eq!(escape("plain"), "plain");
    assert_eq!(escape("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
}

#[test]
fn the_reader_of_tests_is_strict() {
    let good = "# HELP a_total x\n# TYPE a_total counter\na_total{b=\"c\\\"\\n\"} 1\na_total{b=\"d\"} 2\n";
    let samples = check::read(good).unwrap();
    assert_eq!(samples[&("a_total".to_owned(), vec![("b".to_owned(), "c\"\n".to_owned())])].to_string(), "1");
    for (from, to) in [
        ("{b=\"d\"}", "{b=\"c\\\"\\n\"}"),
        ("b=\"d\"", "b=\"d"),
        ("b=\"d\"", "b=\"d\",b=\"e\""),
        ("b=\"d\"", "b-c=\"d\""),
        ("b=\"d\"", "b=\"d\","),
        ("\\n", "\\t"),
        ("a_total{b=\"d\"}", "b_total{b=\"d\"}"),
        ("a_total", "a"),
        (" 2\n", " two\n"),
        (" 2\n", " 2"),
        ("# TYPE a_total counter\n", ""),
    ] {
        assert!(check::read(&good.replace(from, to)).is_err(), "{from} → {to}");
    }
}

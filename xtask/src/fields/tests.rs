use super::*;

#[test]
fn committed_page_is_current() {
    let committed = fs::read_to_string(root().join("docs/fields.md")).unwrap_or_default();
    assert!(committed == render().unwrap(), "docs/fields.md is stale: run `cargo run -p xtask -- fields`");
}

#[test]
fn a_test_that_is_not_there_is_told() {
    const HERE: &str = "xtask/src/fields/tests.rs";
    assert_eq!(
        link((HERE, "a_test_that_is_not_there_is_told")).unwrap(),
        format!("[a_test_that_is_not_there_is_told](../{HERE})")
    );
    let told = |test| link(test).unwrap_err().to_string();
    assert_eq!(told((HERE, "no_such_test")), format!("{HERE} has no test no_such_test"));
    // A function is no test.
    assert_eq!(told(("xtask/src/fields.rs", "render")), "xtask/src/fields.rs has no test render");
    assert_eq!(told(("xtask/src/none.rs", "render")), "there is no xtask/src/none.rs");
}

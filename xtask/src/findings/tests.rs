use super::*;

#[test]
fn committed_page_is_current() {
    let committed = fs::read_to_string(path()).unwrap_or_default();
    assert!(committed == render().unwrap(), "docs/findings.md is stale: run `cargo run -p xtask -- findings`");
}

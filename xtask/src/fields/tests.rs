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

#[test]
fn a_test_that_is_ignored_is_none() {
    let found = |attributes: &str| find(&format!("fn a() {{}}\n{attributes}\nfn shown() {{}}\n"), "shown");
    for runs in ["#[test]", "#[tokio::test(start_paused = true)]", "// Why.\n#[test]\n#[allow(clippy::all)]\n// How."] {
        assert_eq!(found(runs), Some(Found::Runs), "{runs}");
    }
    for ignored in ["#[test]\n#[ignore]", "#[ignore = \"slow\"]\n#[test]", "#[cfg_attr(miri, ignore)]\n#[test]"] {
        assert_eq!(found(ignored), Some(Found::Ignored), "{ignored}");
    }
    for none in ["", "#[test]\nfn other() {}", "#[inline]"] {
        assert_eq!(found(none), None, "{none}");
    }
    // What stands above another test is not this one's.
    assert_eq!(found("#[test]\n#[ignore]\nfn other() {}\n\n#[test]"), Some(Found::Runs));
    let text = "#[test]\nasync fn shown() {}\n";
    assert_eq!(find(text, "shown"), Some(Found::Runs));
}

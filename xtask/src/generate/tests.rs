use super::*;

#[test]
fn committed_code_is_current() {
    for (name, code) in render().unwrap() {
        let path = wire().join("src/generated").join(&name);
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == code, "{} is stale: run `cargo run -p xtask -- generate`", path.display());
    }
}

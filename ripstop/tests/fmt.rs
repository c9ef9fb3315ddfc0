//! `ripstop fmt` as users run it.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::{Command, Stdio},
};

const ODD: &str = "a:\n    b: 1   \n    # of c\n    c:\n      - 2\n\n\n";
const TIDY: &str = "a:\n  b: 1\n  # of c\n  c:\n    - 2\n";
const LOST: &str = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\nname: a\nspec:\nhosts:\n- a\nhttp:\n- route:\n- destination:\nhost: a\nweight: 1\n";
const FOUND: &str = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: a\nspec:\n  hosts:\n  - a\n  http:\n  - route:\n    - destination:\n        host: a\n      weight: 1\n";

/// Runs it in `directory`; gives its exit code, standard output and standard error.
fn fmt(directory: &Path, arguments: &[&str], stdin: &str) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ripstop"))
        .arg("fmt")
        .args(arguments)
        .current_dir(directory)
        .env("NO_COLOR", "1")
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    directory
}

fn shown(code: i32, stdout: &str, stderr: &str) -> (i32, String, String) {
    (code, stdout.to_owned(), stderr.to_owned())
}

#[test]
fn one_text_is_printed() {
    let dir = directory(&[("a.yaml", ODD)]);
    assert_eq!(fmt(dir.path(), &["a.yaml"], ""), shown(0, TIDY, ""));
    assert_eq!(fmt(dir.path(), &["-"], ODD), shown(0, TIDY, ""));
    assert_eq!(fmt(dir.path(), &["-"], "{\"a\":[]}"), shown(0, "{\n  \"a\": []\n}\n", ""));
    assert_eq!(fs::read_to_string(dir.path().join("a.yaml")).unwrap(), ODD);
}

#[test]
fn of_several_the_differences_are() {
    let files =
        [("a.yaml", "a:\n   b: 1\n"), ("sub/b.json", "{}\n"), ("c.yml", TIDY), (".d.yaml", ODD), ("e.txt", ODD)];
    let dir = directory(&files);
    let diff = "--- ./a.yaml\n+++ ./a.yaml (formatted)\n@@ -1,2 +1,2 @@\n a:\n-   b: 1\n+  b: 1\n";
    assert_eq!(fmt(dir.path(), &["."], ""), shown(0, diff, ""));
}

#[test]
fn check_lists_and_fails() {
    let dir = directory(&[("a.yaml", ODD), ("b.json", "[ ]"), ("c.yml", TIDY)]);
    assert_eq!(fmt(dir.path(), &["--check", "."], ""), shown(1, "./a.yaml\n./b.json\n", ""));
    assert_eq!(fmt(dir.path(), &["--check", "c.yml", "c.yml"], ""), shown(0, "", ""));
    assert_eq!(fmt(dir.path(), &["--check", "-"], ODD), shown(1, "<stdin>\n", ""));
    assert_eq!(fs::read_to_string(dir.path().join("a.yaml")).unwrap(), ODD);
}

#[test]
fn write_keeps_modes_and_links() {
    let dir = directory(&[("real/a.yaml", ODD), ("b.yaml", ODD)]);
    let at = |name: &str| dir.path().join(name);
    fs::set_permissions(at("real/a.yaml"), fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real/a.yaml", at("a.yaml")).unwrap();
    assert_eq!(fmt(dir.path(), &["-w", "a.yaml", "b.yaml"], ""), shown(0, "formatted a.yaml\nformatted b.yaml\n", ""));
    assert!(fs::symlink_metadata(at("a.yaml")).unwrap().is_symlink());
    assert_eq!(fs::metadata(at("real/a.yaml")).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_to_string(at("real/a.yaml")).unwrap(), TIDY);
    assert_eq!(fs::read_to_string(at("b.yaml")).unwrap(), TIDY);
    let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["a.yaml", "b.yaml", "real"]);
    assert_eq!(fmt(dir.path(), &["-w", "."], ""), shown(0, "nothing to do in 2 files\n", ""));
}

#[test]
fn lost_indentation_is_told_and_repaired() {
    let dir = directory(&[("a.yaml", LOST), ("b.yaml", ODD)]);
    let (code, stdout, stderr) = fmt(dir.path(), &["-w", "a.yaml"], "");
    assert_eq!((code, stdout.as_str()), (0, "nothing to do in 1 file\n"));
    assert!(stderr.starts_with("a.yaml:4:1: error RS18"), "{stderr}");
    assert!(stderr.ends_with("`ripstop fmt --reindent` repairs lost indentation\n"), "{stderr}");
    assert_eq!(fmt(dir.path(), &["--reindent", "a.yaml"], ""), shown(0, FOUND, ""));
    assert_eq!(fmt(dir.path(), &["--reindent", "--check", "."], ""), shown(1, "./a.yaml\n", ""));
    assert_eq!(fmt(dir.path(), &["--reindent", "-w", "."], ""), shown(0, "formatted ./a.yaml\n", ""));
    assert_eq!(fs::read_to_string(dir.path().join("a.yaml")).unwrap(), FOUND);
    assert_eq!(fs::read_to_string(dir.path().join("b.yaml")).unwrap(), ODD);
}

#[test]
fn what_cannot_be_formatted_stays() {
    let dir = directory(&[("a.yaml", "a: [\n"), ("b.yaml", ODD), ("empty/x.txt", "")]);
    fs::write(dir.path().join("c.yaml"), b"a: \xff\n").unwrap();
    let (code, stdout, stderr) = fmt(dir.path(), &["-w", "a.yaml", "b.yaml", "c.yaml"], "");
    assert_eq!((code, stdout.as_str()), (1, "formatted b.yaml\n"));
    let stderr: Vec<_> = stderr.lines().collect();
    assert!(stderr[0].starts_with("a.yaml:1:4: error RS101: not valid YAML"), "{stderr:?}");
    assert_eq!(stderr[1..], ["error: a.yaml stays as it is", "error: c.yaml is not UTF-8 text"]);
    assert_eq!(fs::read_to_string(dir.path().join("a.yaml")).unwrap(), "a: [\n");

    let failing = |arguments: &[&str], expected: &str| {
        let (code, stdout, stderr) = fmt(dir.path(), arguments, "");
        assert_eq!((code, stdout.as_str(), stderr.as_str()), (1, "", expected));
    };
    failing(&["none.yaml"], "error: cannot read none.yaml: No such file or directory (os error 2)\n");
    failing(&["empty"], "error: empty has no .yaml, .yml or .json file\n");
    failing(&["-w", "-"], "error: standard input cannot be written to: leave out --write, and the text is printed\n");
    failing(&["/dev/null"], "error: /dev/null is no regular file; write `-` to read standard input\n");
}

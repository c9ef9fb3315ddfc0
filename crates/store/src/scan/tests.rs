use std::os::unix::fs::symlink;

use super::*;

struct Tree {
    _directory: tempfile::TempDir,
    root: PathBuf,
}

fn tree(files: &[&str]) -> Tree {
    let directory = tempfile::tempdir().unwrap();
    let root = fs::canonicalize(directory.path()).unwrap().join("mesh");
    for file in files {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("# {file}\n")).unwrap();
    }
    Tree { _directory: directory, root }
}

impl Tree {
    fn scan(&self) -> Scan {
        Scanner::new(self.root.clone(), self.root.join("state")).scan(&HashSet::new())
    }

    fn files(&self) -> Vec<String> {
        self.scan().view.files.into_keys().collect()
    }
}

#[test]
fn configuration_is_found_at_any_depth() {
    let tree = tree(&[
        "a.yaml",
        "b.yml",
        "c.json",
        "d/e/f.yaml",
        "README.md",
        ".hidden.yaml",
        ".git/x.yaml",
        "a.yaml~",
        "#a.yaml#",
        ".#a.yaml",
        "a.yaml.swp",
        "state/x.yaml",
        "4913",
    ]);
    assert_eq!(tree.files(), ["a.yaml", "b.yml", "c.json", "d/e/f.yaml"]);
}

#[test]
fn links_are_followed_once() {
    let tree = tree(&["z/real.yaml"]);
    symlink(tree.root.join("z/real.yaml"), tree.root.join("a-link.yaml")).unwrap();
    symlink(&tree.root, tree.root.join("z/loop")).unwrap();
    symlink(tree.root.join("nowhere.yaml"), tree.root.join("dangling.yaml")).unwrap();
    assert_eq!(tree.files(), ["z/real.yaml"], "the file itself goes before its link");
    let outside = tree.root.parent().unwrap().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("o.yaml"), "").unwrap();
    symlink(outside.join("o.yaml"), tree.root.join("o.yaml")).unwrap();
    let scan = tree.scan();
    assert!(scan.view.files.contains_key("o.yaml"));
    assert_eq!(scan.outside, BTreeSet::from([outside]));
}

#[test]
fn what_cannot_be_read_is_said() {
    let tree = tree(&["a.yaml"]);
    fs::write(tree.root.join("binary.yaml"), [0xff, 0xfe, 0x00]).unwrap();
    let big = File::create(tree.root.join("big.yaml")).unwrap();
    big.set_len(MAX_FILE + 1).unwrap();
    let scan = tree.scan();
    for (file, what) in [("binary.yaml", "not UTF-8"), ("big.yaml", "larger than 8 MiB")] {
        let findings = scan.view.files[file].version.findings();
        assert_eq!(findings[0].code, "RS302");
        assert!(findings[0].message.contains(what), "{}", findings[0]);
    }
    assert!(scan.view.files["a.yaml"].version.is_clean());
}

#[test]
fn a_missing_root_blinds() {
    let tree = tree(&["a.yaml"]);
    let mut scanner = Scanner::new(tree.root.clone(), tree.root.join("state"));
    assert_eq!(scanner.scan(&HashSet::new()).view.files.len(), 1);
    fs::remove_dir_all(&tree.root).unwrap();
    let scan = scanner.scan(&HashSet::new());
    assert_eq!(scan.view.blind, BTreeSet::from([String::new()]));
    assert_eq!(scan.findings.len(), 1);
}

#[test]
fn only_what_changed_is_read_again() {
    let tree = tree(&["a.yaml", "b.yaml"]);
    let mut scanner = Scanner::new(tree.root.clone(), tree.root.join("state"));
    let content = |scan: &Scan, file: &str| scan.view.files[file].version.content().unwrap().clone();
    let one = scanner.scan(&HashSet::new());
    fs::write(tree.root.join("b.yaml"), "# else\n").unwrap();
    let two = scanner.scan(&HashSet::from([tree.root.join("b.yaml")]));
    assert!(Arc::ptr_eq(&content(&one, "a.yaml"), &content(&two, "a.yaml")));
    assert_eq!(&*content(&two, "b.yaml").text, "# else\n");
    assert!(two.view.files["b.yaml"].being_written && !two.view.files["a.yaml"].being_written);
}

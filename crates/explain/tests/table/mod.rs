//! Decision tables: groups of configuration with requests and what is expected of them.

use std::{fs, path::Path, sync::Arc};

use imbl::OrdMap;
use ripstop_api::parse_file;
use ripstop_compile::{Assignments, Declared, Input, Objects, Output, compile};

/// A group: configuration and rows.
pub(crate) struct Group {
    pub(crate) place: String,
    pub(crate) output: Output,
    pub(crate) rows: Vec<Row>,
}

/// A request and what is expected.
pub(crate) struct Row {
    pub(crate) place: String,
    pub(crate) request: Vec<String>,
    pub(crate) expected: Vec<String>,
}

/// What every group stands on.
const GROUND: &str = include_str!("ground.yaml");

/// All groups of the tables below `directory`.
pub(crate) fn groups(directory: &str) -> Vec<Group> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(directory);
    let mut files: Vec<_> = fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "table"));
    files.sort();
    assert!(!files.is_empty(), "no tables below {}", directory.display());
    files.iter().flat_map(|file| read(file)).collect()
}

fn read(file: &Path) -> Vec<Group> {
    let name = file.file_name().unwrap().to_str().unwrap();
    let text = fs::read_to_string(file).unwrap();
    let mut groups = Vec::new();
    let mut title = String::new();
    let mut yaml = String::new();
    let mut rows = Vec::new();
    let mut in_rows = false;
    for (number, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", number + 1);
        if let Some(next) = line.strip_prefix("=== ") {
            if !title.is_empty() {
                groups.push(Group {
                    output: compiled(&title, &yaml),
                    place: std::mem::take(&mut title),
                    rows: std::mem::take(&mut rows),
                });
            }
            title = format!("{place} {next}");
            yaml.clear();
            in_rows = false;
        } else if line == ">>>" {
            in_rows = true;
        } else if in_rows {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let (request, expected) = line.split_once("=>").unwrap_or_else(|| panic!("{place}: no `=>`"));
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
            rows.push(Row { place, request: words(request), expected: words(expected) });
        } else if !title.is_empty() {
            yaml.push_str(line);
            yaml.push('\n');
        }
    }
    if !title.is_empty() {
        groups.push(Group { output: compiled(&title, &yaml), place: title, rows });
    }
    groups
}

fn compiled(title: &str, yaml: &str) -> Output {
    let mut objects = Objects::new();
    for (index, (file, text)) in [("ground.yaml", GROUND), ("group.yaml", yaml)].into_iter().enumerate() {
        let parsed = parse_file(file, text);
        assert!(parsed.broken.is_empty() && !parsed.unreadable, "{title}: {:#?}", parsed.findings);
        for (age, object) in parsed.objects.into_iter().enumerate() {
            let created = (index * 100_000 + age) as u64 + 1;
            objects.insert(object.id.clone(), Declared { object: Arc::new(object), created, generation: 1 });
        }
    }
    compile(&Input {
        objects: &objects,
        instances: &OrdMap::new(),
        captures: &OrdMap::new(),
        assigned: &Assignments::default(),
        previous: None,
    })
}

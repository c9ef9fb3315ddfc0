//! What is said of objects that do not act.

use ripstop_api::{Finding, Kind, Level, ObjectId, Position};

use super::refusals;

fn finding(name: &str, line: u32) -> Finding {
    Finding {
        code: "RS1",
        level: Level::Error,
        object: Some(ObjectId { kind: Kind::Service, namespace: "shop".into(), name: name.into() }),
        path: String::new(),
        position: Position { file: "mesh.yaml".into(), line, column: 1 },
        message: "wrong".into(),
        hint: String::new(),
    }
}

#[test]
fn nothing_is_said_where_all_was_read() {
    assert_eq!(refusals(&[]), None);
}

#[test]
fn objects_count_once_and_five_places_are_named() {
    let one = refusals(&[finding("a", 1), finding("a", 2)]).unwrap();
    assert_eq!(
        one,
        "1 object was refused on reading and does not act in this answer (mesh.yaml:1:1, mesh.yaml:2:1); `ripstop analyze` tells the rest"
    );
    let many: Vec<Finding> = (1..=7).map(|line| finding(&format!("s{line}"), line)).collect();
    let many = refusals(&many).unwrap();
    assert!(
        many.starts_with("7 objects were refused on reading and do not act in this answer (mesh.yaml:1:1"),
        "{many}"
    );
    assert!(many.contains("mesh.yaml:5:1 and 2 more places") && !many.contains("mesh.yaml:6"), "{many}");
}

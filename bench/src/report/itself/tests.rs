use super::*;
use crate::itself::Start;

fn itself() -> Itself {
    Itself {
        memory: vec![(1, 10.0), (50, 12.5)],
        starts: vec![
            Start { outside: 40.0, inside: 50.0, tries: 1 },
            Start { outside: 30.0, inside: 46.0, tries: 3 },
            Start { outside: 50.0, inside: 62.0, tries: 1 },
        ],
        routes: vec![8.0, 9.0],
    }
}

#[test]
fn what_the_mesh_adds_is_told_by_pairs() {
    let text = table(&itself()).unwrap();
    let row = |title: &str| text.lines().find_map(|line| line.strip_prefix(title)).unwrap().trim().to_owned();
    assert_eq!(row("added by the mesh, ms"), "12.0 (10.0–16.0)");
    assert_eq!(row("one node proxy with 1 workload, idle, MiB"), "10.0");
    assert!(text.contains("\nIn 1 of these starts"), "{text}");
}

#[test]
fn nothing_is_told_of_what_was_not_measured() {
    assert_eq!(table(&Itself::default()), None);
    assert_eq!(json(&Itself::default()), json!([]));
    let text = table(&Itself { starts: Vec::new(), routes: Vec::new(), ..itself() }).unwrap();
    assert!(!text.contains("ms") && !text.contains("Medians"), "{text}");
}

#[test]
fn programs_find_every_sample() {
    let value = json(&itself());
    assert_eq!(value[1]["key"], "proxy_memory_50_workloads_mib");
    assert_eq!(value[5]["samples"], json!([8.0, 9.0]));
    assert_eq!(value[5]["median"], 8.5);
}

use std::time::Duration;

use super::*;

fn results() -> Results {
    let mut results = Results::default();
    for (way, samples) in [(Way::Direct, [16.0, 18.0, 17.0]), (Way::Relay, [50.0; 3]), (Way::Mesh, [60.0, 55.0, 57.0])]
    {
        results.samples.insert((Row::PinnedP50, way), samples.to_vec());
    }
    results.samples.insert((Row::MemoryIdle, Way::Mesh), vec![40.0]);
    results
}

const PLAN: Plan = Plan { rounds: 3, measured: Duration::from_secs(4) };

#[test]
fn medians() {
    assert_eq!(Spread::of(&[]), None);
    assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
    assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]), Some(Spread { median: 2.5, least: 1.0, most: 4.0 }));
}

#[test]
fn a_row_shows_ratios_and_budgets() {
    let text = table(&results(), PLAN);
    let row = text.lines().find(|line| line.contains("one CPU, p50")).unwrap();
    let words: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
    assert_eq!(
        words[1..],
        ["17.0 (16.0–18.0)", "50.0", "57.0 (55.0–60.0)", "× 3.35", "× 1.14", "< 65.0 ✓", "relay + 8.00 ✓"]
    );
    let row = text.lines().find(|line| line.contains("idle")).unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert!(words.ends_with(&["<", "37.0", "✗", "16.0", "✗"]), "{row}");
}

#[test]
fn programs_find_every_sample() {
    let value = json(&results(), PLAN);
    let row = &value["rows"][0];
    assert_eq!(row["samples"]["mesh"], json!([60.0, 55.0, 57.0]));
    assert_eq!(row["goal"]["holds"], true);
    assert_eq!(value["rows"].as_array().unwrap().len(), Row::ALL.len());
}

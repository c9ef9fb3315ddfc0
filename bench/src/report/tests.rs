use std::time::Duration;

use super::*;
use crate::{
    place::{OfOne, Place},
    rate::{Rate, Shown},
};

const OVER_DIRECT: Row = Row::Paced(Rate::Thousand, Shown::P50OverDirect);

fn results() -> Results {
    let mut results = Results::default();
    for (way, samples) in [
        (Way::Direct, [16.0, 18.0, 17.0]),
        (Way::Relay, [50.0; 3]),
        (Way::EnvoyL4, [76.0; 3]),
        (Way::Haproxy, [80.0; 3]),
        (Way::Mesh, [60.0, 55.0, 57.0]),
    ] {
        results.samples.insert((Row::PinnedP50, way), samples.to_vec());
    }
    results.samples.insert((Row::Connects, Way::EnvoyL4), vec![2_000.0]);
    results.samples.insert((Row::Connects, Way::EnvoyL7), vec![8_000.0]);
    results.samples.insert((Row::Connects, Way::Mesh), vec![6_000.0]);
    results.samples.insert((OVER_DIRECT, Way::EnvoyL4), vec![-3.0]);
    results.samples.insert((OVER_DIRECT, Way::Mesh), vec![100.0]);
    results.samples.insert((Row::ParallelBulk, Way::Haproxy), vec![10.0]);
    results.samples.insert((Row::ParallelBulk, Way::Mesh), vec![15.0]);
    results.samples.insert((Row::MemoryIdle, Way::Mesh), vec![40.0]);
    results
}

fn plan(ways: &[Way]) -> Plan {
    Plan {
        ways: ways.to_vec(),
        pieces: Piece::ALL.to_vec(),
        rounds: 3,
        measured: Duration::from_secs(4),
        roles_are_brief: true,
    }
}

/// Cells of the row that begins with `title`, in the table number `table`.
fn cells(text: &str, table: usize, title: &str) -> Vec<String> {
    let table = text.split("\n\n").nth(table).unwrap();
    let row = table.lines().find(|line| line.starts_with(title)).unwrap();
    row[title.len()..].split("  ").map(|cell| cell.trim().to_owned()).filter(|cell| !cell.is_empty()).collect()
}

#[test]
fn medians() {
    assert_eq!(Spread::of(&[]), None);
    assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
    assert_eq!(Spread::of(&[4.0, 1.0, 2.0, 3.0]), Some(Spread { median: 2.5, least: 1.0, most: 4.0 }));
}

#[test]
fn each_way_that_was_asked_for_is_a_column() {
    let text = tables(&results(), &plan(&Way::ALL), &Others::default());
    let header = text.lines().next().unwrap();
    assert_eq!(
        header.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>(),
        [
            "direct",
            "relay pair",
            "envoy-l4",
            "envoy-l7",
            "haproxy",
            "mesh (L4)",
            "mesh (metered)",
            "mesh (L7)",
            "mesh (sidecar)",
            "mesh (waypoint)",
            "envoy-gateway",
            "mesh (gateway)"
        ]
    );
    assert_eq!(
        cells(&text, 0, &Row::PinnedP50.title()),
        ["17.0 (16.0–18.0)", "50.0", "76.0", "–", "80.0", "57.0 (55.0–60.0)", "–", "–", "–", "–", "–", "–"]
    );
    let text = tables(&results(), &plan(&[Way::Direct, Way::Haproxy]), &Others::default());
    assert_eq!(cells(&text, 0, &Row::PinnedP50.title()), ["17.0 (16.0–18.0)", "80.0"]);
    assert!(!text.contains("to relay"), "{text}");
}

#[test]
fn the_mesh_is_judged_by_figures_and_by_the_best_peer() {
    let text = tables(&results(), &plan(&Way::ALL), &Others::default());
    let judged = |row: Row| cells(&text, 1, &row.title());
    assert_eq!(
        judged(Row::PinnedP50),
        ["57.0", "× 3.35", "× 1.14", "< 65.0 ✓", "envoy-l4 76.0", "× 0.75 ✓", "relay + 8.00 ✓"]
    );
    assert_eq!(judged(Row::Connects), ["6000", "–", "–", "> 7800 ✗", "envoy-l7 8000", "× 0.75 ✗", "0.85 × relay"]);
    assert_eq!(judged(OVER_DIRECT), ["100", "–", "–", "< 420 ✓", "envoy-l4 -3.00", "– ✗", "200 ✓"]);
    assert_eq!(judged(Row::ParallelBulk), ["15.0", "–", "–", "–", "haproxy 10.0", "× 1.50", "–"]);
    assert_eq!(judged(Row::MemoryIdle), ["40.0", "–", "–", "< 37.0 ✗", "–", "–", "16.0 ✗"]);
}

#[test]
fn what_reads_requests_is_compared_with_what_reads_them() {
    let mut results = results();
    results.samples.insert((Row::Connects, Way::MeshL7), vec![9_000.0]);
    results.samples.insert((Row::Connects, Way::Relay), vec![12_000.0]);
    results.samples.insert((Row::PinnedP50, Way::MeshL7), vec![100.0]);
    let text = tables(&results, &plan(&Way::ALL), &Others::default());
    let judged = |row: Row| cells(&text, 3, &row.title());
    assert_eq!(judged(Row::PinnedP50), ["100", "× 5.88", "× 2.00", "< 145 ✓", "–", "–", "relay + 20.0 ✗"]);
    assert_eq!(
        judged(Row::Connects),
        ["9000", "–", "× 0.75", "> 7800 ✓", "envoy-l7 8000", "× 1.12 ✓", "0.85 × relay ✗"]
    );
}

#[test]
fn a_gateway_is_compared_with_a_gateway() {
    let mut results = results();
    for (way, figure) in [(Way::EnvoyL7, 20.0), (Way::EnvoyGateway, 40.0), (Way::MeshGateway, 30.0)] {
        results.samples.insert((Row::RequestCpu, way), vec![figure]);
    }
    results.samples.insert((Row::RequestCpu, Way::MeshSidecar), vec![25.0]);
    let text = tables(&results, &plan(&Way::ALL), &Others::default());
    let judged = |table: usize| cells(&text, table, &Row::RequestCpu.title());
    assert_eq!(judged(6), ["30.0", "–", "–", "–", "envoy-gateway 40.0", "× 0.75", "–"]);
    assert_eq!(judged(4), ["25.0", "–", "–", "< 58.0 ✓", "envoy-l7 20.0", "× 1.25 ✗", "32.0 ✓"]);
    assert!(
        text.contains("\nIn a whole run mesh-sidecar, mesh-waypoint, envoy-gateway, mesh-gateway do a part"),
        "{text}"
    );
    let picked = Plan { roles_are_brief: false, ..plan(&[Way::MeshSidecar]) };
    assert!(!tables(&results, &picked, &Others::default()).contains("In a whole run"));
}

#[test]
fn what_is_told_of_one_proxy_stands_apart() {
    let mut results = results();
    let row = Row::At(Place::Between, OfOne::MemoryIdle);
    results.samples.insert((row, Way::MeshWaypoint), vec![12.5]);
    let text = tables(&results, &plan(&Way::ALL), &Others::default());
    assert!(!text.contains(&row.title()), "{text}");
    assert_eq!(cells(&text, 7, "mesh (waypoint), the waypoint"), ["–", "12.5", "–"]);
    let value = json(&results, &plan(&Way::ALL), &Others::default(), "");
    let rows = value["rows"].as_array().unwrap();
    let told = rows.iter().find(|told| told["key"] == "between_memory_idle_mib").unwrap();
    assert_eq!(told["ways"]["mesh-waypoint"]["median"], 12.5);
}

#[test]
fn counting_requests_may_cost_a_little_more_than_looking_at_nothing() {
    let mut results = results();
    for (way, cost) in [(Way::Mesh, 22.0), (Way::MeshMetered, 23.9)] {
        results.samples.insert((Row::RequestCpu, way), vec![cost]);
    }
    let text = tables(&results, &plan(&Way::ALL), &Others::default());
    assert_eq!(cells(&text, 2, &Row::RequestCpu.title())[..4], ["23.9", "–", "–", "mesh + 2.00 ✓"]);
}

#[test]
fn what_is_missing_is_said() {
    let mut others = Others::default();
    others.versions.insert("envoy", "1.40.0".to_owned());
    others.left_out.insert(Way::Haproxy, "it does not run".to_owned());
    let text = tables(&results(), &plan(&[Way::Mesh]), &others);
    assert!(text.contains("\nenvoy is version 1.40.0.\n"), "{text}");
    assert!(text.ends_with("\nNOT MEASURED: haproxy: it does not run\n"), "{text}");
}

#[test]
fn programs_find_every_sample() {
    let value = json(&results(), &plan(&Way::ALL), &Others::default(), "2026-11-20");
    let row = &value["rows"][0];
    assert_eq!(
        row["ways"]["relay"],
        json!({ "median": 50.0, "min": 50.0, "max": 50.0, "samples": [50.0, 50.0, 50.0] })
    );
    assert_eq!(row["ways"]["mesh"]["median"], 57.0);
    assert_eq!(row["ways"]["envoy-l7"], Value::Null);
    let judged = &row["ways"]["mesh"]["judged"];
    assert_eq!(judged["goal"]["holds"], true);
    assert_eq!(judged["best_peer"], json!({ "way": "envoy-l4", "median": 76.0, "ratio": 0.75, "is_beaten": true }));
    assert_eq!(value["date"], "2026-11-20");
    assert_eq!(value["rows"].as_array().unwrap().len(), Row::all().count());
}

#[test]
fn per_cent_over_direct_stand_beside_what_is_published() {
    let mut results = results();
    let row = |rate, shown| Row::Paced(rate, shown);
    results.samples.insert((row(Rate::Published, Shown::P99Percent), Way::Mesh), vec![41.0, 45.0, 43.0]);
    results.samples.insert((row(Rate::Thousand, Shown::P50Percent), Way::Mesh), vec![-2.4]);
    results.samples.insert((row(Rate::TenThousand, Shown::Achieved), Way::EnvoyL7), vec![8_123.4]);
    results.samples.insert((row(Rate::TenThousand, Shown::Achieved), Way::Mesh), vec![9_996.0]);
    let text = tables(&results, &plan(&Way::ALL), &Others::default());
    let cells = |title: &str| cells(&text, 7, title);
    assert_eq!(cells("over direct, per cent")[..4], ["1,000/s p50", "1,000/s p99", "3,200/s p50", "3,200/s p99"]);
    assert_eq!(cells("mesh (L4)"), ["-2 %", "–", "–", "+43 %", "–", "–"]);
    assert_eq!(cells("quoted: Linkerd"), ["–", "–", "–", "+33 %", "–", "–"]);
    assert!(text.contains("NOT KEPT: 10,000 requests/s by envoy-l7: 8123 were answered a second"), "{text}");
    assert_eq!(text.matches("NOT KEPT").count(), 1);
}

#[test]
fn what_was_picked_is_said() {
    let plan = Plan { pieces: vec![Piece::Requests, Piece::Paced], ..plan(&[Way::Mesh]) };
    let text = tables(&results(), &plan, &Others::default());
    assert!(text.contains("\nMeasured was no more than requests, paced: "), "{text}");
    assert_eq!(json(&results(), &plan, &Others::default(), "")["works"], json!(["requests", "paced"]));
}

#[test]
fn what_is_quoted_is_told_from_what_is_measured() {
    let text = tables(&results(), &plan(&Way::ALL), &Others::default());
    let quoted = text.split("\n\n").find(|table| table.starts_with("QUOTED")).unwrap();
    assert!(quoted.contains("Quoted of 2026-11-20, not measured in this run"), "{quoted}");
    let row = quoted.lines().find_map(|line| line.strip_prefix(&Row::RequestCpu.title())).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["–", "67", "58", "36–42"]);
    let value = json(&results(), &plan(&Way::ALL), &Others::default(), "2026-11-20");
    assert_eq!(value["quoted"]["rows"][0]["figures"]["ztunnel (L4)"], "65");
    assert_eq!(value["quoted"]["rows"][1]["figures"]["direct"], Value::Null);
}

#[test]
fn per_cent_have_no_multiples() {
    let mut results = results();
    let row = Row::Paced(Rate::Published, Shown::P99Percent);
    results.samples.insert((row, Way::Relay), vec![1.0]);
    results.samples.insert((row, Way::Haproxy), vec![10.0]);
    results.samples.insert((row, Way::Mesh), vec![50.0]);
    let text = tables(&results, &plan(&Way::ALL), &Others::default());
    assert_eq!(cells(&text, 1, &row.title()), ["50.0", "–", "–", "–", "haproxy 10.0", "–", "–"]);
}

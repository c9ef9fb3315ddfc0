use super::*;

#[test]
fn each_proxy_has_a_row_of_its_own() {
    let mut samples = Samples::new();
    assert_eq!(table(&samples, &Way::ALL), None);
    for (way, place, figure) in [
        (Way::MeshSidecar, Place::Caller, 7.0),
        (Way::MeshSidecar, Place::Callee, 8.0),
        (Way::MeshGateway, Place::Between, 9.0),
        (Way::MeshGateway, Place::Callee, 10.0),
    ] {
        samples.insert((Row::At(place, OfOne::MemoryIdle), way), vec![figure]);
    }
    samples.insert((Row::At(Place::Between, OfOne::RequestCpu), Way::MeshGateway), vec![11.0, 13.0]);
    let text = table(&samples, &Way::ALL).unwrap();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .skip(1)
        .take(4)
        .map(|row| row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(
        rows,
        [
            ["mesh (sidecar), the caller's sidecar", "–", "7.00", "–"],
            ["mesh (sidecar), the callee's sidecar", "–", "8.00", "–"],
            ["mesh (gateway), the gateway", "12.0 (11.0–13.0)", "9.00", "–"],
            ["mesh (gateway), the callee's node", "–", "10.0", "–"],
        ]
    );
    assert!(table(&samples, &[Way::MeshSidecar]).unwrap().lines().nth(3).unwrap().starts_with("Two node proxies"));
}

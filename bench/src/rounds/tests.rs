use super::*;

const P50: Row = Row::Paced(Rate::Published, Shown::P50);
const P99: Row = Row::Paced(Rate::Published, Shown::P99);

fn samples(results: &Results, shown: Shown, way: Way) -> Option<&[f64]> {
    results.samples.get(&(Row::Paced(Rate::Published, shown), way)).map(Vec::as_slice)
}

#[test]
fn each_round_is_compared_with_its_own_direct_way() {
    let mut results = Results::default();
    for (direct, mesh) in [(100.0, 250.0), (300.0, 420.0)] {
        for (way, figure) in [(Way::Direct, direct), (Way::Mesh, mesh)] {
            results.add(P50, way, figure);
            results.add(P99, way, figure * 2.0 + 100.0);
        }
        results.compare_with_direct();
    }
    assert_eq!(samples(&results, Shown::P50OverDirect, Way::Mesh), Some([150.0, 120.0].as_slice()));
    assert_eq!(samples(&results, Shown::P50Percent, Way::Mesh), Some([150.0, 40.0].as_slice()));
    assert_eq!(samples(&results, Shown::P99Percent, Way::Mesh), Some([100.0, 240.0 * 100.0 / 700.0].as_slice()));
    assert_eq!(samples(&results, Shown::P50OverDirect, Way::Direct), None);
    assert_eq!(samples(&results, Shown::P50OverDirect, Way::Relay), None);
}

#[test]
fn without_the_direct_way_nothing_is_compared_with_it() {
    let mut results = Results::default();
    results.add(P50, Way::Mesh, 250.0);
    results.compare_with_direct();
    assert_eq!(samples(&results, Shown::P50Percent, Way::Mesh), None);
}

use super::*;

#[test]
fn each_round_is_compared_with_its_own_direct_way() {
    let mut results = Results::default();
    for (direct, mesh) in [(100.0, 250.0), (300.0, 420.0)] {
        results.add(Row::PacedP50, Way::Direct, direct);
        results.add(Row::PacedP50, Way::Mesh, mesh);
        results.compare_with_direct();
    }
    assert_eq!(results.samples[&(Row::PacedOverDirect, Way::Mesh)], [150.0, 120.0]);
    assert_eq!(results.samples.get(&(Row::PacedOverDirect, Way::Direct)), None);
    assert_eq!(results.samples.get(&(Row::PacedOverDirect, Way::Relay)), None);
}

#[test]
fn without_the_direct_way_nothing_is_compared_with_it() {
    let mut results = Results::default();
    results.add(Row::PacedP50, Way::Mesh, 250.0);
    results.compare_with_direct();
    assert_eq!(results.samples.get(&(Row::PacedOverDirect, Way::Mesh)), None);
}

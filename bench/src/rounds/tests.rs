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

#[test]
fn the_most_of_a_pair_is_that_of_one_moment() {
    let look = |caller, callee| Most {
        pair: caller + callee,
        each: [(Place::Caller, caller), (Place::Callee, callee)].into(),
    };
    let mut most = Most::default();
    most.include(&look(10.0, 2.0));
    most.include(&look(4.0, 7.0));
    assert_eq!((most.pair, most.each), (12.0, [(Place::Caller, 10.0), (Place::Callee, 7.0)].into()));
}

#[test]
fn each_proxy_has_its_own_share_of_the_work() {
    let at = |caller, between| [(Place::Caller, caller), (Place::Between, between)].into();
    let watched = Watched { each: [at(1.0, 2.0), at(1.5, 4.0)], ..Watched::default() };
    assert_eq!(watched.cpu().collect::<Vec<_>>(), [(Place::Caller, 0.5), (Place::Between, 2.0)]);
}

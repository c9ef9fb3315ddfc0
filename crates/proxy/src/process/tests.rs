use ripstop_model::{Change, ProxyDefaults, TrafficChange, TrafficDefaults};

use super::*;
use crate::backends::testing::workload;

#[test]
fn the_mesh_says_how_many_threads_there_are() {
    let mesh = |concurrency| {
        let proxies = ProxyDefaults { concurrency, ..ProxyDefaults::default() };
        let defaults = TrafficDefaults { proxies: Arc::new(proxies), ..TrafficDefaults::default() };
        let changes = [
            Change::Workload(Arc::new(workload("edge", 1))),
            Change::TrafficObject(TrafficChange::Defaults(Arc::new(defaults))),
        ];
        Program::default().with(1, changes)
    };
    let (edge, stranger) = (workload("edge", 1), Own::new("ns".into(), "stranger".into()));
    let edge = Own::new(edge.namespace.to_string(), edge.name.to_string());
    let cores = available_parallelism().map_or(7, usize::from);
    for (said, expected) in [(None, 7), (Some(3), 3), (Some(0), cores), (Some(u32::MAX), MOST)] {
        let program = mesh(said);
        assert_eq!(threads(&program, 7, None), expected, "{said:?}");
        assert_eq!(threads(&program, 7, Some(&edge)), expected, "{said:?}");
        assert_eq!(threads(&program, 7, Some(&stranger)), 7, "nothing is said of who is not known");
    }
}

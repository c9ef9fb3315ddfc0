use std::cell::Cell;

use ripstop_telemetry::Reporter;

use super::*;
use crate::sight::{
    Called,
    samples::{Bench, workload},
};

#[test]
fn a_callee_is_resolved_once_as_long_as_it_is_the_same() {
    let bench = Bench::new([]);
    let made = Cell::new(0);
    let mut callees = Callees::default();
    let mut get = |endpoint: Option<&Arc<Workload>>| {
        callees.get(None, endpoint, || {
            made.set(made.get() + 1);
            let mut parties = bench.parties(8080);
            parties.destination = endpoint.cloned();
            bench.recorder.sight(parties, Reporter::Source, Called::Service)
        })
    };
    let all: Vec<_> = (0..40).map(|n| Arc::new(workload("cart", n))).collect();
    let first = get(Some(&all[0]));
    assert!(Rc::ptr_eq(&first, &get(Some(&all[0]))));
    assert!(!Rc::ptr_eq(&first, &get(None)));
    assert_eq!(made.get(), 2);
    // Equal, but not the same any more.
    get(Some(&Arc::new(workload("cart", 0))));
    assert_eq!(made.get(), 3);
    // The one that was used longest ago is forgotten.
    for endpoint in &all {
        get(Some(endpoint));
    }
    assert_eq!(made.get(), 42);
    get(Some(&all[39]));
    get(Some(&all[8]));
    assert_eq!(made.get(), 42);
    get(Some(&all[7]));
    assert_eq!(made.get(), 43);
}

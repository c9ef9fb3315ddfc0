use std::cell::Cell;

use ripstop_telemetry::Reporter;

use super::*;
use crate::record::Parties;
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
        callees.get(None, endpoint, &Called::Service, || {
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

#[test]
fn hosts_that_are_no_services_are_counted_apart() {
    let bench = Bench::new([]);
    let mut callees = Callees::default();
    let mut get = |called: Called| {
        callees.get(None, None, &called, || {
            let parties = Parties { destination: None, ..bench.parties(8080) };
            bench.recorder.sight(parties, Reporter::Source, called.clone())
        })
    };
    let _unread = get(Called::Service);
    let a = get(Called::Host("a.com".into()));
    let b = get(Called::Host("b.com".into()));
    assert_eq!((&a.called, &b.called), (&Called::Host("a.com".into()), &Called::Host("b.com".into())));
    assert!(Rc::ptr_eq(&a, &get(Called::Host("a.com".into()))));
}

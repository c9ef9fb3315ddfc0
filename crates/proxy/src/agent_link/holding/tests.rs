use ripstop_model::{Change, TrustDomain};

use super::*;
use crate::{
    backends::{Backends, testing::workload},
    testing::{Worker, run, until},
};

#[test]
fn an_instance_that_comes_again_with_another_account_gets_its_certificate() {
    run(async {
        let of = |account: &str| {
            let mut web = workload("web", 2);
            web.service_account = account.into();
            web
        };
        let worker = Worker::new([Change::Workload(Arc::new(of("former")))], Backends::new).await;
        let shared = &worker.context.shared;
        let has = |account: &str| {
            let id = SpiffeId::service_account(&TrustDomain::default(), "ns", account).unwrap();
            shared.certificates.get(&id).is_some()
        };
        // It is there when it is asked for.
        drop(worker.holds("latter").await);
        let identity = of("former").identity().unwrap();
        let holding = Holding::new(shared, of("former").uid, identity, worker.holds("former").await);
        assert!(has("former") && !has("latter"));
        worker.change(Change::Workload(Arc::new(of("latter"))));
        until(|| has("latter") && !has("former")).await;
        drop(holding);
        until(|| !has("latter")).await;
    });
}

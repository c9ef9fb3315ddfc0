use std::time::Duration;

use ripstop_model::{Change, ConnectionPool};
use tokio::net::TcpListener;

use super::*;
use crate::{
    backends::{
        Backends,
        testing::{behind, pool, rule_change, rules, service, target, workload},
    },
    testing::{Worker, run},
};

#[tokio::test]
async fn probes_are_as_the_rule_has_them_and_the_rest_stays() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    crate::worker::keep_alive(&socket).unwrap();
    let rule = Keepalive { probes: None, time: Some(Duration::from_secs(7)), interval: Some(Duration::from_secs(3)) };
    keep_alive(&socket, rule).unwrap();
    let socket = SockRef::from(&socket);
    assert!(socket.keepalive().unwrap());
    let seconds = Duration::from_secs;
    assert_eq!(
        (
            socket.tcp_keepalive_time().unwrap(),
            socket.tcp_keepalive_interval().unwrap(),
            socket.tcp_keepalive_retries().unwrap()
        ),
        (seconds(7), seconds(3), 9)
    );
}

#[test]
fn the_mesh_has_probes_where_a_rule_has_none() {
    run(async {
        let worker = Worker::new([], Backends::new).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let probed = async || {
            let socket = TcpStream::connect(address).await.unwrap();
            crate::worker::keep_alive(&socket).unwrap();
            worker.context.probe(&socket, address).unwrap();
            SockRef::from(&socket).tcp_keepalive_time().unwrap()
        };
        assert_eq!(probed().await, Duration::from_secs(180));
        let keepalive = Keepalive { time: Some(Duration::from_secs(7)), ..Keepalive::default() };
        worker.defaults(|defaults| defaults.keepalive = Some(keepalive));
        assert_eq!(probed().await, Duration::from_secs(7));
    });
}

#[test]
fn endpoints_are_probed_as_their_rule_says() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let web = service("web");
        let mut endpoint = behind(workload("w", 2), &web, address.port());
        endpoint.addresses = vec![address.ip()];
        let changes = [
            Change::Workload(Arc::new(endpoint)),
            Change::Workload(Arc::new(workload("caller", 1))),
            Change::Service(Arc::new(web.clone())),
        ];
        let worker = Worker::new(changes, Backends::new).await;
        let callee = target(&Callee::Service(Arc::new(web.clone())));
        let probed = async || {
            let context = &worker.context;
            let program = context.shared.snapshot.load_full();
            let caller = program.workload(&workload("caller", 1).uid).unwrap().clone();
            let backend = context.backends.backend(context, &program, &caller, &callee);
            let facts = Arc::clone(&*backend.shared().facts());
            let purpose = Purpose { endpoint: facts.endpoints[&address].clone(), way: Way::Plain, announced: None };
            let socket = connect(context, &facts, &purpose).await.unwrap();
            SockRef::from(&socket).tcp_keepalive_time().unwrap()
        };
        let after = |seconds| Keepalive { time: Some(Duration::from_secs(seconds)), ..Keepalive::default() };
        worker.defaults(|defaults| defaults.keepalive = Some(after(7)));
        assert_eq!(probed().await, Duration::from_secs(7));
        let settings = ConnectionPool { keepalive: Some(after(5)), ..ConnectionPool::default() };
        worker.change(rule_change(rules(&web.key.hostname, pool(settings))));
        assert_eq!(probed().await, Duration::from_secs(5));
    });
}

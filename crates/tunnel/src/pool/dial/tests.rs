use super::*;
use crate::{
    TunnelPool,
    pool::{ConnectRequest, connect::Opened},
    testing::Mesh,
};

/// Streams that come and go between two looks count: the tunnel is idle since the last of them.
#[tokio::test(flavor = "local", start_paused = true)]
async fn a_tunnel_is_idle_since_its_last_stream_ended() {
    let mesh = Mesh::new();
    let pool = TunnelPool::default();
    let shared = pool.shared();
    let after = shared.config.idle_after;
    let key = TunnelKey {
        source: mesh.id("client"),
        source_uid: ripstop_model::WorkloadUid::process("mesh", "test", "client-0"),
        source_ip: "127.0.0.1".parse().unwrap(),
        destination: "127.0.0.1:15008".parse().unwrap(),
        expected: vec![mesh.id("server")].into(),
    };
    let link = Link::new(Role::Client);
    let freed = Arc::default();
    let tunnel = Rc::new(Tunnel { key, generation: 1, link: link.clone(), closed: Cell::new(false), freed });
    {
        let mut groups = shared.groups.borrow_mut();
        let group = groups.entry(tunnel.key().clone()).or_default();
        let dial = group.start_dial();
        group.dialled(tunnel.clone(), dial);
    }
    let mut duty = Pooled::new(shared, &tunnel, None);
    assert_eq!(duty.look(&link, Instant::now()), Some(Instant::now() + after));
    let request = ConnectRequest::new("10.0.0.9:80".parse().unwrap());
    for _ in 0..5 {
        tokio::time::advance(after).await;
        let stream = Opened::new(&tunnel, &request, 100).unwrap();
        assert_eq!(link.active(), 1);
        drop(stream);
        assert_eq!(link.active(), 0);
        let used = Instant::now();
        tokio::time::advance(after / 2).await;
        assert_eq!(duty.look(&link, Instant::now()), Some(used + after));
        assert!(tunnel.is_open());
    }
    tokio::time::advance(after).await;
    assert_eq!(duty.look(&link, Instant::now()), None);
    assert!(!tunnel.is_open());
}

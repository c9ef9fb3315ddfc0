use std::sync::Arc;

use super::*;
use crate::{Registry, ResponseFlag, Shard};

#[test]
fn shards_are_summed() {
    let registry = Registry::default();
    let id: SpiffeId = "spiffe://cluster.local/ns/shop/sa/cart".parse().unwrap();
    let labels = TcpLabels::new(Reporter::Source, None, None, None, (Some(&id), None));
    for _ in 0..2 {
        let series = registry.shard().series(&labels);
        series.opened.fetch_add(3, Relaxed);
        series.sent.fetch_add(100, Relaxed);
    }
    let mut out = String::new();
    registry.render(&mut out);
    let line = out.lines().find(|line| line.starts_with("istio_tcp_connections_opened_total{")).unwrap();
    assert!(line.ends_with(" 6"), "{line}");
    for part in [
        "reporter=\"source\"",
        "source_principal=\"spiffe://cluster.local/ns/shop/sa/cart\"",
        "source_workload_namespace=\"shop\"",
        "destination_workload=\"unknown\"",
        "connection_security_policy=\"mutual_tls\"",
        "response_flags=\"-\"",
        "request_protocol=\"tcp\"",
    ] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
    assert!(out.contains("# TYPE istio_tcp_sent_bytes_total counter\n"));
}

#[test]
fn a_handle_is_resolved_once() {
    let shard = Shard::default();
    let labels = TcpLabels::new(Reporter::Destination, None, None, None, (None, None));
    assert!(Arc::ptr_eq(&shard.series(&labels), &shard.series(&labels)));
    let denied = labels.clone().with_flag(ResponseFlag::Deny);
    assert!(!Arc::ptr_eq(&shard.series(&labels), &shard.series(&denied)));
}

use super::*;
use crate::samples;

const STATUS: OwnLabels<'_> = OwnLabels { response_code: "200", grpc_response_status: "", response_flags: "-" };

fn known() -> RequestLabels {
    let (source, destination) = (samples::workload("web"), samples::workload("cart"));
    let principals = (source.identity().unwrap(), destination.identity().unwrap());
    RequestLabels::new(
        Reporter::Destination,
        RequestProtocol::Http,
        Some(&source),
        Some(&destination),
        Callee::Service(&samples::service("cart")),
        (Some(&principals.0), Some(&principals.1)),
    )
}

#[test]
fn all_of_istios_labels_are_told() {
    assert_eq!(
        known().render(RequestMetric::Requests, Some(STATUS)).unwrap(),
        "reporter=\"destination\",\
         source_workload=\"web-v1\",source_workload_namespace=\"shop\",\
         source_principal=\"spiffe://cluster.local/ns/shop/sa/web\",source_app=\"web\",source_version=\"v1\",\
         source_canonical_service=\"web\",source_canonical_revision=\"v1\",source_cluster=\"Kubernetes\",\
         destination_workload=\"cart-v1\",destination_workload_namespace=\"shop\",\
         destination_principal=\"spiffe://cluster.local/ns/shop/sa/cart\",destination_app=\"cart\",\
         destination_version=\"v1\",destination_canonical_service=\"cart\",\
         destination_canonical_revision=\"v1\",destination_cluster=\"Kubernetes\",\
         destination_service=\"cart.shop.svc.cluster.local\",destination_service_name=\"cart\",\
         destination_service_namespace=\"shop\",request_protocol=\"http\",response_code=\"200\",\
         grpc_response_status=\"\",response_flags=\"-\",connection_security_policy=\"mutual_tls\""
    );
}

#[test]
fn what_is_not_known_is_unknown() {
    let labels = RequestLabels::new(Reporter::Source, RequestProtocol::Grpc, None, None, Callee::Unknown, (None, None));
    let text = labels.render(RequestMetric::Requests, Some(STATUS)).unwrap();
    assert_eq!(text.matches("=\"unknown\"").count(), 18, "{text}");
    assert_eq!(text.matches("_revision=\"latest\"").count(), 2, "{text}");
    assert!(text.contains("request_protocol=\"grpc\""), "{text}");
}

#[test]
fn only_the_callees_side_tells_of_protection() {
    let labels = |reporter| {
        RequestLabels::new(reporter, RequestProtocol::Http, None, None, Callee::Unknown, (None, None))
            .render(RequestMetric::Requests, None)
            .unwrap()
    };
    assert!(labels(Reporter::Source).ends_with("connection_security_policy=\"unknown\""));
    assert!(labels(Reporter::Destination).ends_with("connection_security_policy=\"none\""));
    assert!(labels(Reporter::Waypoint).starts_with("reporter=\"waypoint\""));
    let better = known().with_security(SecurityPolicy::Plaintext).render(RequestMetric::Requests, None).unwrap();
    assert!(better.ends_with("connection_security_policy=\"none\""));
}

#[test]
fn strangers_are_named_as_in_istio() {
    let service = |callee: Callee<'_>| {
        RequestLabels::new(Reporter::Source, RequestProtocol::Http, None, None, callee, (None, None)).service
    };
    let values = |callee| service(callee).values().map(str::to_owned);
    assert_eq!(values(Callee::Host("a.b")), ["a.b", "a.b", "unknown"]);
    assert_eq!(values(Callee::Passthrough("a.b")), ["a.b", "PassthroughCluster", "unknown"]);
    assert_eq!(values(Callee::BlackHole("a.b")), ["a.b", "BlackHoleCluster", "unknown"]);
    assert_eq!(values(Callee::Unknown), ["unknown"; 3]);
}

#[test]
fn a_shape_changes_single_metrics() {
    let mut shape = MetricShape::default();
    shape.disable(RequestMetric::Duration);
    shape.remove(RequestMetric::Requests, "response_flags");
    shape.set(RequestMetric::Requests, "source_app", "frontend");
    shape.set(RequestMetric::Requests, "request-method", "GET");
    shape.remove(RequestMetric::Requests, "never_there");
    let labels = known().with_shape(Arc::new(shape));
    assert_eq!(labels.render(RequestMetric::Duration, Some(STATUS)), None);
    let text = labels.render(RequestMetric::Requests, Some(STATUS)).unwrap();
    assert!(!text.contains("response_flags"), "{text}");
    assert!(text.contains(",source_app=\"frontend\",") && text.ends_with(",request_method=\"GET\""), "{text}");
    assert_eq!(
        labels.render(RequestMetric::RequestBytes, Some(STATUS)),
        known().render(RequestMetric::RequestBytes, Some(STATUS))
    );
}

#[test]
fn tags_get_names_that_prometheus_takes() {
    for (tag, name) in [
        ("plain", "plain"),
        ("a.b-c", "a_b_c"),
        ("9lives", "tag_9lives"),
        ("le", "tag_le"),
        ("__name__", "tag___name__"),
        ("", "tag_"),
        ("ä", "_"),
    ] {
        assert_eq!(&*label_name(tag), name);
    }
}

#[test]
fn overrides_are_found_by_their_names() {
    let names = RequestMetric::ALL.map(RequestMetric::override_name);
    assert_eq!(
        names,
        [
            "REQUEST_COUNT",
            "REQUEST_DURATION",
            "REQUEST_SIZE",
            "RESPONSE_SIZE",
            "GRPC_REQUEST_MESSAGES",
            "GRPC_RESPONSE_MESSAGES"
        ]
    );
    for (index, metric) in RequestMetric::ALL.into_iter().enumerate() {
        assert_eq!(metric as usize, index, "{}", metric.as_str());
    }
}

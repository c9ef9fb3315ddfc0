//! `gatewayTopology` in the annotation of a gateway: whom it believes hangs on that.

use ripstop_api::{
    Level, Spec,
    istio::{ForwardClientCert, GatewayProxyProtocol, GatewayTopology},
    parse_file,
};

/// A process with that annotation: what it says, or what is wrong with it.
fn read(role: &str, annotation: &str) -> Result<Option<GatewayTopology>, Vec<String>> {
    let mut text = String::from(
        "apiVersion: ripstop.dev/v1alpha1\nkind: Process\nmetadata:\n  name: edge\n  namespace: shop\n  annotations:\n    proxy.istio.io/config: |\n",
    );
    for line in annotation.lines() {
        text.extend(["      ", line, "\n"]);
    }
    text.extend(["spec: {role: ", role, "}\n"]);
    let parsed = parse_file("a.yaml", &text);
    let errors = parsed.findings.iter().filter(|finding| finding.level == Level::Error);
    let errors: Vec<_> = errors.map(|found| format!("{}: {}", found.position.line, found.path)).collect();
    // What is wrong does not stand for what was right before.
    assert_eq!(parsed.broken.len() + parsed.objects.len(), 1, "{:?}", parsed.findings);
    match parsed.objects.into_iter().next().map(|object| object.spec) {
        Some(Spec::Process(process)) if errors.is_empty() => Ok(process.gateway_topology),
        Some(other) => panic!("{other:?} {errors:?}"),
        None => Err(errors),
    }
}

#[test]
fn it_is_read_by_itself() {
    let said = GatewayTopology {
        num_trusted_proxies: Some(2),
        forward_client_cert_details: ForwardClientCert::Sanitize,
        proxy_protocol: Some(GatewayProxyProtocol {}),
    };
    let whole = "gatewayTopology: {numTrustedProxies: 2, forwardClientCertDetails: SANITIZE, proxyProtocol: {}}";
    assert_eq!(read("gateway", whole), Ok(Some(said.clone())));
    // Whatever else is wrong there.
    assert_eq!(read("gateway", &format!("concurrency: many\nnoSuch: 1\n{whole}")), Ok(Some(said)));
    for empty in ["", "concurrency: 2", "gatewayTopology:"] {
        assert_eq!(read("gateway", empty), Ok(None), "{empty}");
    }
    assert_eq!(read("gateway", "gatewayTopology: {}"), Ok(Some(GatewayTopology::default())));
    // Only gateways follow it.
    assert_eq!(read("waypoint", "gatewayTopology: {numTrustedProxies: many}"), Ok(None));
}

#[test]
fn what_is_wrong_in_it_is_an_error_of_its_process() {
    const AT: &str = "metadata.annotations.proxy.istio.io/config";
    for (annotation, line, below) in [
        ("gatewayTopology:\n  numTrustedProxies: many", 9, ".gatewayTopology.numTrustedProxies"),
        ("concurrency: 2\ngatewayTopology: {proxyProtocol: true}", 9, ".gatewayTopology.proxyProtocol"),
        ("gatewayTopology: [1]", 8, ".gatewayTopology"),
        ("gatewayTopology: [", 8, ""),
        ("just words", 8, ""),
    ] {
        let errors = read("gateway", annotation).unwrap_err();
        assert_eq!(errors.len(), 1, "{annotation}: {errors:?}");
        assert!(errors[0].ends_with(&format!(": {AT}{below}")), "{annotation}: {errors:?}");
        // What is no YAML ends somewhere.
        assert!(below.is_empty() || errors[0].starts_with(&format!("{line}:")), "{annotation}: {errors:?}");
    }
}

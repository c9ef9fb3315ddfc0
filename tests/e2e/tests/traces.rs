//! Requests that are routed take part in the traces that `Telemetry` asks for.

use anyhow::{Context, Result, ensure};
use ripstop_e2e::{
    curl::{Got, curl},
    observe::applied,
    shop::{routed, world},
};
use ripstop_world::World;

/// Tracers of each kind.
const MESH: &str = "\
apiVersion: ripstop.dev/v1alpha1
kind: Mesh
metadata: {name: default}
spec:
  meshConfig:
    extensionProviders:
    - {name: otel, opentelemetry: {service: otel.obs.svc.cluster.local, port: 4317}}
    - {name: zipkin, zipkin: {service: zipkin.obs.svc.cluster.local, port: 9411}}
    - name: both
      zipkin: {service: zipkin.obs.svc.cluster.local, port: 9411, traceContextOption: USE_B3_WITH_W3C_PROPAGATION}
";
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";

/// Says for all workloads who traces, and how many requests of those about which nobody decided.
fn traced(world: &World, provider: &str, share: u8) -> Result<()> {
    let text = format!(
        "{MESH}---
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {{name: traces, namespace: istio-system}}
spec:
  tracing: [{{providers: [{{name: {provider}}}], randomSamplingPercentage: {share}}}]
"
    );
    applied(world, "traces.yaml", &format!("{provider}-{share}"), &text)
}

/// What the server was told of the trace: its id, the span's, and whether it is recorded.
fn of_w3c(got: &Got) -> Result<(String, String, bool)> {
    let text = got.header("traceparent");
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts[..] else { anyhow::bail!("traceparent {text:?}: {}", got.body) };
    ensure!(version == "00" && trace.len() == 32 && span.len() == 16 && flags.len() == 2, "{text}");
    let flags = u8::from_str_radix(flags, 16).with_context(|| text.to_owned())?;
    Ok((trace.to_owned(), span.to_owned(), flags & 1 == 1))
}

fn of_b3(got: &Got) -> (String, String, bool) {
    let [trace, span] = ["x-b3-traceid", "x-b3-spanid"].map(|name| got.header(name).to_owned());
    (trace, span, got.header("x-b3-sampled") == "1")
}

#[test]
fn a_trace_goes_on_or_begins_at_the_callers_node() -> Result<()> {
    world()?.tell(|world| {
        routed(world, "routes", "  - route: [{destination: {host: web, subset: v1}}]\n")?;
        let plain = "http://web.shop/";
        let told = format!("-H 'traceparent: 00-{TRACE}-{SPAN}-00' -H 'tracestate: a=1' {plain}");
        let recorded = format!("-H 'traceparent: 00-{TRACE}-{SPAN}-01' {plain}");
        let zipkin = format!("-H 'x-b3-traceid: {TRACE}' -H 'x-b3-spanid: {SPAN}' -H 'x-b3-sampled: 1' {plain}");
        let single = format!("-H 'b3: {TRACE}-{SPAN}-1' {plain}");
        let ask = || curl(world, &[plain, &told, &recorded, &zipkin, &single]);

        let got = ask()?;
        for (got, came) in got.iter().zip(["", &format!("00-{TRACE}-{SPAN}-00"), &format!("00-{TRACE}-{SPAN}-01")]) {
            ensure!(got.header("traceparent") == came, "nobody traces, yet {}", got.body);
        }
        ensure!(got[3].header("x-b3-spanid") == SPAN && got[4].header("b3") == format!("{TRACE}-{SPAN}-1"));

        traced(world, "otel", 100)?;
        let got = ask()?;
        let (trace, span, sampled) = of_w3c(&got[0])?;
        ensure!(sampled && trace != TRACE && span != SPAN, "{}", got[0].body);
        ensure!(got[0].header("x-request-id").get(14..15) == Some("9"), "{}", got[0].header("x-request-id"));
        ensure!(got[0].header("x-envoy-decorator-operation") == "web.shop.svc.cluster.local:80/*", "{}", got[0].body);
        for (got, expected) in got[1..3].iter().zip([false, true]) {
            let (trace, span, sampled) = of_w3c(got)?;
            ensure!(trace == TRACE && span != SPAN && sampled == expected, "{}", got.body);
        }
        ensure!(got[1].header("tracestate") == "a=1", "{}", got[1].body);

        traced(world, "otel", 0)?;
        let got = ask()?;
        ensure!(!of_w3c(&got[0])?.2 && of_w3c(&got[2])?.2, "what was decided before holds: {}", got[2].body);
        ensure!(got[0].header("x-request-id").get(14..15) == Some("4"), "{}", got[0].header("x-request-id"));

        traced(world, "zipkin", 100)?;
        let got = ask()?;
        let (trace, span, sampled) = of_b3(&got[0]);
        ensure!(trace.len() == 32 && span.len() == 16 && sampled, "{}", got[0].body);
        for got in &got[3..] {
            let (trace, span, sampled) = of_b3(got);
            ensure!(trace == TRACE && span != SPAN && sampled && got.header("b3").is_empty(), "{}", got.body);
            ensure!(got.header("x-b3-parentspanid") == SPAN, "{}", got.body);
        }

        traced(world, "both", 100)?;
        let got = ask()?;
        let (trace, span, _) = of_w3c(&got[0])?;
        ensure!(of_b3(&got[0]) == (trace, span, true), "{}", got[0].body);
        ensure!(of_w3c(&got[1])?.0 == TRACE && of_b3(&got[1]).0 == TRACE, "{}", got[1].body);
        Ok(())
    })
}

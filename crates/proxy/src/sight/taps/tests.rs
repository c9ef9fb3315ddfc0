use http_body_util::BodyExt as _;
use hyper::client::conn::http1 as client;
use ripstop_telemetry::Reporter;

use super::*;
use crate::sight::{Called, samples::Bench};

/// Whole lines of an answer.
async fn line(body: &mut Incoming, rest: &mut String) -> serde_json::Value {
    while !rest.contains('\n') {
        let frame = body.frame().await.expect("it goes on").unwrap();
        rest.push_str(str::from_utf8(&frame.into_data().unwrap()).unwrap());
    }
    let (first, left) = rest.split_once('\n').unwrap();
    let value = serde_json::from_str(first).unwrap();
    *rest = left.to_owned();
    value
}

async fn get(path: &Path, uri: &str) -> Response<Incoming> {
    let stream = UnixStream::connect(path).await.unwrap();
    let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get(uri).header("host", "proxy").body(Full::<Bytes>::default()).unwrap();
    sender.send_request(request).await.unwrap()
}

#[tokio::test]
async fn a_reader_gets_the_requests_that_it_wants() {
    let bench = Bench::new([]);
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join(SOCKET), "left over").unwrap();
    let listener = bind(directory.path()).unwrap();
    let path = directory.path().join(SOCKET);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(
        listener,
        "west".into(),
        bench.outlets.clone(),
        Asked { inspect: Arc::new(|| json!({ "version": 7 })), tells: Arc::new(|_| None) },
        stop.clone(),
    ));

    let mut answer = get(&path, "/tap?method=post&from=shop%2Fweb").await;
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/x-ndjson");
    let mut rest = String::new();
    assert_eq!(line(answer.body_mut(), &mut rest).await, json!({ "event": "open", "proxy": "west" }));
    assert_eq!(bench.outlets.taps.taps(), 1);
    let sight = bench.recorder.sight(bench.parties(8080), Reporter::Destination, Called::Service);
    for method in ["GET", "POST"] {
        let mut exchange = sight.exchange(std::time::SystemTime::now());
        exchange.request.method = method;
        bench.recorder.record(&sight, ripstop_telemetry::RequestProtocol::Http, &exchange);
    }
    let record = line(answer.body_mut(), &mut rest).await;
    assert_eq!((&record["proxy"], &record["method"]), (&"west".into(), &"POST".into()));

    let text = async |answer: Response<Incoming>| {
        let status = answer.status().as_u16();
        (status, String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap())
    };
    let wrong = text(get(&path, "/tap?status=abc").await).await;
    let hint = "status=abc: write a code such as 404, 5xx for a class, or 0 for no response\n";
    assert_eq!(wrong, (400, hint.to_owned()));
    assert_eq!(text(get(&path, "/config").await).await, (200, "{\"version\":7}\n".to_owned()));
    assert_eq!(
        text(get(&path, "/metrics").await).await,
        (404, "there are GET /tap, /config, /metrics, /stats/prometheus and /healthz/ready\n".to_owned())
    );

    stop.cancel();
    serving.await.unwrap().unwrap();
    // The readers are gone with their connections.
    assert!(answer.into_body().collect().await.is_err());
}

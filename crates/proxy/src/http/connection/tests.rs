use std::{rc::Rc, time::Duration};

use ripstop_model::{ConnectionSettings, PortSettings, ServerProtocol};
use ripstop_telemetry::RecordFilter;
use tokio::io::AsyncReadExt as _;

use super::{FOREVER, http2_options};
use crate::testing::{Edge, Leads, Played, forward, head, run};

async fn edge() -> Edge {
    let server = Played::new().await;
    Edge::new(ServerProtocol::Http, Leads::To(server.address()), PortSettings::default(), forward()).await
}

/// What is no request, or one beyond the limits, is told of like one: nothing is known of it but its answer.
#[test]
fn what_can_not_be_read_is_told_of_too() {
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX-Large: {}\r\n\r\n", "x".repeat(100_000));
    for (sent, status, line) in [
        ("GET / HTTP/1.1\r\nno field\r\n\r\n", 400, "- - HTTP/1.1 400 DPE http1.codec_error\n"),
        ("not HTTP at all\r\n\r\n", 400, "- - HTTP/1.1 400 DPE http1.codec_error\n"),
        (&large, 431, "- - HTTP/1.1 431 DPE http1.headers_too_large\n"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            501,
            "- - HTTP/1.1 501 DPE http1.codec_error\n",
        ),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, "- - HTTP/1.1 505 DPE http1.codec_error\n"),
        ("GET /%zz?a=1 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "GET /%zz?a=1 HTTP/1.1 400 DPE path_normalization_failed\n"),
    ] {
        run(async move {
            let edge = edge().await;
            let mut taps = edge.worker.context.shared.outlets.taps.open(RecordFilter::default(), 8).unwrap();
            let mut client = edge.sent(sent.as_bytes()).await;
            let answer = head(&mut client).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            edge.worker.requests.tells(line).await;
            assert_eq!(edge.worker.requests.text(), line);
            let metrics = edge.worker.metrics();
            let counted = metrics.lines().find(|line| line.starts_with("istio_requests_total{")).unwrap();
            for label in [
                format!("response_code=\"{status}\""),
                "response_flags=\"DPE\"".into(),
                "destination_workload=\"unknown\"".into(),
                "source_workload=\"edge\"".into(),
            ] {
                assert!(counted.contains(&label), "{label}: {counted}");
            }
            assert!(counted.ends_with("} 1"), "{counted}");
            let records = taps.take().records;
            assert_eq!(records.len(), 1, "{records:?}");
            assert_eq!(records[0].status, status);
        });
    }
}

#[test]
fn what_is_no_request_of_http2_is_told_of_and_others_are_served() {
    run(async {
        let edge = edge().await;
        // The preface, empty settings, and a head that is :method GET alone.
        let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        sent.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
        sent.extend([0, 0, 1, 1, 5, 0, 0, 0, 1, 0x82]);
        let mut client = edge.sent(&sent).await;
        edge.worker.requests.tells("- - HTTP/2 400 DPE http2.violation.of.messaging.rule\n").await;
        assert_eq!(client.read_u8().await.unwrap(), 0, "a frame of its answer");
    });
}

#[test]
fn what_a_connection_of_http2_offers_is_what_is_said() {
    let settings = ConnectionSettings {
        idle: Some(Duration::from_secs(4)),
        streams: Some(0),
        stream_window: Some(70_000),
        connection_window: Some(5),
        ..ConnectionSettings::NONE
    };
    let options = http2_options(&settings);
    assert_eq!((options.idle, options.ping_after), (Duration::from_secs(4), Duration::from_secs(2)));
    let config = &options.config;
    // None at all would be a connection of no use, and a window cannot be less than it is at first.
    assert_eq!(
        (config.max_streams, config.window, config.max_window, config.connection_window),
        (1, 70_000, 70_000, 0xffff)
    );
    let endless = http2_options(&ConnectionSettings { idle: Some(Duration::ZERO), ..ConnectionSettings::NONE });
    assert_eq!((endless.idle, endless.ping_after), (FOREVER, Duration::from_secs(30)));
    assert!(Rc::ptr_eq(&http2_options(&ConnectionSettings::NONE), &http2_options(&ConnectionSettings::NONE)));
}

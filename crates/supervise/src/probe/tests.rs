use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

fn probe(success_threshold: u32, failure_threshold: u32) -> Probe {
    Probe {
        action: ProbeAction::TcpSocket { port: 1, host: None },
        initial_delay: Duration::ZERO,
        period: Duration::from_secs(10),
        timeout: Duration::from_secs(1),
        success_threshold,
        failure_threshold,
    }
}

fn play(probe: &Probe, results: &[bool]) -> Vec<bool> {
    let mut streak = Streak::new();
    results.iter().map(|result| streak.take(*result, probe)).collect()
}

#[test]
fn thresholds_count_results_in_a_row() {
    let (y, n) = (true, false);
    assert_eq!(play(&probe(1, 3), &[n, y, n, n, y, n, n, n, y]), [n, y, y, y, y, y, y, n, y]);
    assert_eq!(play(&probe(2, 1), &[y, n, y, y, n]), [n, n, n, y, n]);
    assert_eq!(play(&probe(0, 0), &[y, n]), [y, n], "0 counts as 1");
}

#[test]
fn the_unready_are_tried_more_often() {
    let probe = probe(1, 1);
    let mut streak = Streak::new();
    assert_eq!(streak.pause(&probe), EAGER);
    streak.take(true, &probe);
    assert_eq!(streak.pause(&probe), probe.period);
}

#[test]
fn commands_are_not_run_in_a_hurry() {
    let action = ProbeAction::Exec { command: vec!["true".into()] };
    assert_eq!(Streak::new().pause(&Probe { action, ..probe(1, 1) }), EAGER_COMMAND);
}

#[test]
fn nobody_but_the_workload_is_asked() {
    let own = Addresses { v4: "10.244.1.2".parse().unwrap(), v6: "fd00:10:244:1::2".parse().unwrap() };
    let by = |host: &str| asked(own, Some(host.parse().unwrap())).map(|host| host.to_string());
    assert_eq!(asked(own, None).unwrap().to_string(), "10.244.1.2");
    for (host, reached) in [
        ("10.244.1.2", "10.244.1.2"),
        ("fd00:10:244:1::2", "fd00:10:244:1::2"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.8.0.1", "127.8.0.1"),
        ("::1", "::1"),
        ("::ffff:10.244.1.2", "10.244.1.2"),
    ] {
        assert_eq!(by(host).unwrap(), reached);
    }
    // Another workload, nodes, the control plane, metadata of clouds, and what leads there by another name.
    let others =
        "10.244.1.3 100.64.0.1 100.64.1.1 fd00:7269:7073::1 169.254.169.254 0.0.0.0 :: ::ffff:100.64.0.1 240.240.0.1";
    for host in others.split(' ') {
        let error = by(host).unwrap_err().to_string();
        assert!(error.contains("is no address of the workload"), "{error}");
    }
}

/// One connection is answered with `answer`; gives the probe's verdict and what it asked.
async fn http(answer: &'static [u8]) -> (Result<()>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = vec![0; 1024];
        let length = stream.read(&mut seen).await.unwrap();
        stream.write_all(answer).await.unwrap();
        String::from_utf8_lossy(&seen[..length]).into_owned()
    });
    let stream = TcpStream::connect(address).await.unwrap();
    let headers = [("X-Probe".into(), "yes".into())];
    let get = Get { host: address.ip(), port: address.port(), path: "/ready", headers: &headers };
    let verdict = get.by(stream).await;
    (verdict, server.await.unwrap())
}

#[tokio::test]
async fn http_statuses_200_to_399_are_success() {
    let (verdict, asked) = http(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert!(verdict.is_ok());
    assert!(asked.starts_with("GET /ready HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("\r\nhost: 127.0.0.1:") && asked.contains("\r\nx-probe: yes\r\n"), "{asked}");
    assert!(http(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n").await.0.is_ok());
    let (verdict, _) = http(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").await;
    assert!(verdict.unwrap_err().to_string().contains("status 503"));
    assert!(http(b"nonsense\r\n\r\n").await.0.is_err());
    assert!(http(b"").await.0.is_err());
}

//! curl, by each HTTP that it speaks.

use tokio::process::Command;

use crate::{
    bed::{Http, Plan, Proxy, run},
    real,
};

#[test]
fn curl_gets_and_posts_by_each_http() {
    for (option, front, version) in
        [("--http1.0", Http::One, "1.1"), ("--http1.1", Http::One, "1.1"), ("--http2-prior-knowledge", Http::Two, "2")]
    {
        for back in [Http::One, Http::Two] {
            run(async {
                let (address, _) = real::server(back).await;
                let proxy = Proxy::with(vec![address], Plan { front, back, ..Plan::default() }).await;
                let url = format!("http://{}/", proxy.address);
                let get = curl(&[option, "-w", " %{http_code} %{http_version}", &format!("{url}hello")]).await;
                assert_eq!(get, format!("hello 200 {version}"));
                // Large enough for curl to wait for 100 (Continue), and by no length.
                let content = "x".repeat(2 << 20);
                let path = std::env::temp_dir().join(format!("exchange-{}-{option}-{back:?}", std::process::id()));
                std::fs::write(&path, &content).unwrap();
                let data = format!("@{}", path.display());
                let post = curl(&[option, "--data-binary", &data, &format!("{url}collect")]).await;
                assert!(post == content, "{option}: {} bytes came back", post.len());
                if option != "--http1.0" {
                    let chunked = ["-H", "Transfer-Encoding: chunked"];
                    let chunked = if front == Http::One { &chunked[..] } else { &[] };
                    let echo = format!("{url}collect");
                    let put = [&[option][..], chunked, &["-T", path.to_str().unwrap(), &echo]].concat();
                    assert!(curl(&put).await == content, "{option}");
                }
                std::fs::remove_file(&path).unwrap();
            });
        }
    }
}

async fn curl(arguments: &[&str]) -> String {
    let output = Command::new("curl").args(["-sS", "--max-time", "20"]).args(arguments).output().await.unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

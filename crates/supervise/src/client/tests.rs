use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
};

use super::*;

/// A mesh that gives one answer.
fn mesh(answer: &'static str) -> (tempfile::TempDir, MeshHandle, tokio::task::JoinHandle<String>) {
    let dir = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(dir.path().join("admin.sock")).unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut seen = vec![0; 4096];
        let length = stream.read(&mut seen).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&seen[..length]).into_owned()
    });
    let handle = MeshHandle { state: dir.path().to_path_buf(), dir: "/".into(), pid: 1, metrics: None };
    (dir, handle, server)
}

#[tokio::test]
async fn json_goes_both_ways() {
    let (_dir, handle, server) = mesh("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"a\": [1]}");
    let answer: serde_json::Value =
        AdminClient::new(&handle).post("/v1/x", &serde_json::json!({"name": "control"})).await.unwrap();
    assert_eq!(answer["a"][0], 1);
    let asked = server.await.unwrap();
    assert!(asked.starts_with("POST /v1/x HTTP/1.1\r\n") && asked.ends_with("{\"name\":\"control\"}"), "{asked}");
}

#[tokio::test]
async fn refusals_speak_with_the_meshs_words() {
    let (_dir, handle, _) = mesh("HTTP/1.1 404 Not Found\r\nContent-Length: 19\r\n\r\n{\"error\": \"no way\"}");
    let error = AdminClient::new(&handle).get::<serde_json::Value>("/v1/x").await.unwrap_err();
    assert!(matches!(&error, Error::Refused { status: 404, message } if message == "no way"), "{error}");
}

#[tokio::test]
async fn streams_come_line_by_line() {
    let answer =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n7\r\ntwo\nthr\r\n2\r\nee\r\n0\r\n\r\n";
    let (_dir, handle, _) = mesh(answer);
    let mut stream = AdminClient::new(&handle).stream("/v1/logs").await.unwrap();
    let mut seen = Vec::new();
    while let Some(line) = stream.line().await.unwrap() {
        seen.push(line);
    }
    assert_eq!(seen, ["one", "two", "three"]);
}

#[tokio::test]
async fn a_mesh_that_is_gone_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let handle = MeshHandle { state: dir.path().to_path_buf(), dir: "/".into(), pid: 1, metrics: None };
    let error = AdminClient::new(&handle).get::<serde_json::Value>("/v1/x").await.unwrap_err().to_string();
    assert!(error.contains("connect to") && error.contains("admin.sock"), "{error}");

    // Its door is shut, and its outer process is still there.
    let pid = i32::try_from(std::process::id()).unwrap();
    let ticks = crate::state::start_ticks(pid).unwrap();
    let told = serde_json::json!({"dir": "/", "pid": pid, "version": "0", "started": 1, "started_ticks": ticks});
    std::fs::write(dir.path().join("mesh.json"), told.to_string()).unwrap();
    let error = AdminClient::new(&handle).get::<serde_json::Value>("/v1/x").await.unwrap_err().to_string();
    assert_eq!(error, "the mesh is ending");
}

#[test]
fn texts_are_escaped_for_queries() {
    assert_eq!(query_escape("a b/c-1"), "a%20b%2Fc-1");
}

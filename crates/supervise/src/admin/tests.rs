use super::*;

#[test]
fn queries_are_decoded() {
    let query = query_of("node=a&marker=plain%20text%2b+1&follow&x=%zz&node=b");
    assert_eq!(query["node"], "b");
    assert_eq!(query["marker"], "plain text+ 1");
    assert_eq!(query["follow"], "");
    assert_eq!(query["x"], "%zz");
    assert!(query_of("").is_empty());
}

#[tokio::test]
async fn the_first_bytes_tell_runs_from_http_and_are_not_taken() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    for (text, run) in [("RUN\n{}", true), ("GET / HTTP/1.1\r\n", false), ("RUN", false)] {
        let (mut client, mut server) = UnixStream::pair().unwrap();
        client.write_all(text.as_bytes()).await.unwrap();
        assert_eq!(asks_for_run(&server).await.unwrap(), run, "{text}");
        let mut seen = vec![0; text.len()];
        server.read_exact(&mut seen).await.unwrap();
        assert_eq!(seen, text.as_bytes());
    }
}

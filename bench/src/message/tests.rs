use super::*;

#[test]
fn a_message_is_whole_at_its_last_byte() {
    for persistence in [Persistence::KeepAlive, Persistence::Close] {
        let (request, response) = (persistence.request(), persistence.response());
        for cut in 0..request.len() {
            assert_eq!(request_in(&request[..cut]).unwrap(), None);
        }
        for cut in 0..response.len() {
            assert_eq!(response_in(&response[..cut]).unwrap(), None);
        }
        assert_eq!(request_in(&request.repeat(2)).unwrap(), Some(REQUEST_SIZE));
        assert_eq!(response_in(&response.repeat(2)).unwrap(), Some(response.len()));
    }
}

#[test]
fn headers_of_others_change_nothing() {
    let request = b"GET /exchange HTTP/1.1\r\nhost: server:9000\r\nx-forwarded-proto: http\r\n\r\n";
    assert_eq!(request_in(request).unwrap(), Some(request.len()));
    let head = "HTTP/1.1 200 OK\r\nserver: envoy\r\nContent-Length: 128\r\ndate: today\r\n\r\n";
    let response = format!("{head}{}", "-".repeat(BODY_SIZE));
    assert_eq!(response_in(response.as_bytes()).unwrap(), Some(response.len()));
}

#[test]
fn other_messages_are_refused() {
    let body = "-".repeat(BODY_SIZE);
    let cases = [
        (format!("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 128\r\n\r\n{body}"), "another answer than 200"),
        (format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}"), "an answer of unknown length"),
        (format!("HTTP/1.1 200 OK\r\ncontent-length: 127\r\n\r\n{body}"), "an answer of 127 bytes"),
        (format!("HTTP/1.1 200 OK\r\ncontent-length: 128\r\n\r\n+{}", &body[1..]), "another body than ours"),
        ("x".repeat(LONGEST), "a message without end"),
    ];
    for (text, reason) in cases {
        let error = response_in(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(reason), "{error}");
    }
    let error = request_in(b"POST /exchange HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc").unwrap_err().to_string();
    assert!(error.starts_with("another request than ours: POST /exchange"), "{error}");
}

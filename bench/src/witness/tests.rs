use super::*;

#[test]
fn an_answer_ends_where_it_says() {
    assert_eq!(status_of("HTTP/1.1 201 Created\r\ncontent-le"), None);
    assert_eq!(status_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"), None);
    assert_eq!(status_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc").as_deref(), Some("200"));
    assert_eq!(status_of("HTTP/1.1 204 No Content\r\n\r\n").as_deref(), Some("204"));
}

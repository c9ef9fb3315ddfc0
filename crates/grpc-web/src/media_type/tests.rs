use super::*;

#[test]
fn types_of_grpc_web_and_no_others() {
    let read = |value: &'static str| MediaType::read(value.as_bytes()).map(|read| (read.coding, read.format));
    assert_eq!(read("application/grpc-web"), Some((Coding::Binary, &b""[..])));
    assert_eq!(read("application/grpc-web+proto"), Some((Coding::Binary, &b"+proto"[..])));
    assert_eq!(read("Application/gRPC-Web;charset=utf-8"), Some((Coding::Binary, &b";charset=utf-8"[..])));
    assert_eq!(read("application/grpc-web-text"), Some((Coding::Text, &b""[..])));
    assert_eq!(read("application/grpc-web-text+json"), Some((Coding::Text, &b"+json"[..])));
    for other in [
        "",
        "application/grpc",
        "application/grpc+proto",
        "application/grpc-webx",
        "application/grpc-web-tex",
        "text/grpc-web",
    ] {
        assert_eq!(read(other), None, "{other}");
    }
}

#[test]
fn the_format_stays() {
    let read = MediaType::read(b"application/grpc-web-text+json").unwrap();
    assert_eq!(read.of_grpc(), b"application/grpc+json");
    let answer =
        |own: &str| MediaType::of_answer(Coding::Text, own.as_bytes()).map(|kind| String::from_utf8(kind).unwrap());
    assert_eq!(answer("application/grpc").as_deref(), Some("application/grpc-web-text+proto"));
    assert_eq!(answer("application/grpc+json").as_deref(), Some("application/grpc-web-text+json"));
    assert_eq!((answer("application/json"), answer("application/grpc-web"), answer("text/html")), (None, None, None));
}

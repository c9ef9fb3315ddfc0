use super::*;

#[test]
fn protocols() {
    for (port, name, declared, expected) in [
        (80, "http", None, AppProtocol::Http11),
        (80, "HTTP-web", None, AppProtocol::Http11),
        (80, "http2-web", None, AppProtocol::Http2),
        (80, "grpc", None, AppProtocol::Grpc),
        (80, "grpc-web", None, AppProtocol::Grpc),
        (80, "grpc-web-x", None, AppProtocol::Grpc),
        (443, "https", None, AppProtocol::Tls),
        (443, "tls-x", None, AppProtocol::Tls),
        (80, "tcp-x", None, AppProtocol::Tcp),
        (80, "redis", None, AppProtocol::Tcp),
        (80, "mysql-a", None, AppProtocol::Tcp),
        (80, "http_proxy", None, AppProtocol::Http11),
        (80, "", None, AppProtocol::Unknown),
        (80, "web", None, AppProtocol::Unknown),
        (80, "httpx", None, AppProtocol::Unknown),
        (3306, "", None, AppProtocol::Tcp),
        (25, "mail", None, AppProtocol::Tcp),
        (3306, "http", None, AppProtocol::Http11),
        (80, "http", Some("tcp"), AppProtocol::Tcp),
        (80, "tcp", Some("kubernetes.io/h2c"), AppProtocol::Http2),
        (80, "tcp", Some("kubernetes.io/ws"), AppProtocol::Http11),
        (80, "tcp", Some("kubernetes.io/wss"), AppProtocol::Tls),
        (80, "http", Some("example.com/own"), AppProtocol::Unknown),
    ] {
        assert_eq!(app_protocol(port, name, declared), expected, "{port} {name:?} {declared:?}");
    }
}

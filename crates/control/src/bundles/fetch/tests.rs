use super::*;

#[test]
fn redirections_stay_in_tls() {
    let from: Uri = "https://a.example:8443/bundle?x".parse().unwrap();
    for (location, expected) in [
        ("/other?y", Some("https://a.example:8443/other?y")),
        ("https://b.example/c", Some("https://b.example/c")),
        ("http://b.example/c", None),
        ("//b.example/c", None),
        ("other", None),
    ] {
        let told = elsewhere(&from, location).ok().map(|uri| uri.to_string());
        assert_eq!(told.as_deref(), expected, "{location}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_of() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let told = fetch(&format!("https://{nobody}/"), &Outside::Here).await.unwrap_err().to_string();
    // A machine without authorities comes no further.
    let expected = ["127.0.0.1 can't be connected to: ", "the system has no authorities"];
    assert!(expected.iter().any(|expected| told.starts_with(expected)), "{told}");
    let told = fetch("http://127.0.0.1/", &Outside::Here).await.unwrap_err().to_string();
    assert!(told == "http://127.0.0.1/ is no https URL" || told.starts_with(expected[1]), "{told}");
}

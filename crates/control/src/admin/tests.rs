use super::*;

#[tokio::test]
async fn only_peers_of_the_own_network_namespace_are_admitted() {
    let (near, _far) = UnixStream::pair().unwrap();
    let own = ripstop_net::NetNs::current().unwrap().inode();
    let caller = admit(&near, own).unwrap();
    assert_eq!(caller.pid, Some(std::process::id()));
    let refused = admit(&near, own + 1).unwrap_err();
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.message.contains("another network namespace"), "{}", refused.message);
}

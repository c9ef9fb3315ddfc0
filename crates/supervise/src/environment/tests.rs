use super::*;

fn place() -> Place<'static> {
    Place {
        namespace: "bookinfo",
        instance: "reviews-v1-0",
        node: "node-a",
        service_account: "reviews",
        addresses: Addresses { v4: "10.244.1.2".parse().unwrap(), v6: "fd00:10:244:1::2".parse().unwrap() },
    }
}

#[test]
fn variables_say_who_it_is_whatever_is_declared() {
    let variables = variables(
        &place(),
        Path::new("/opt/ripstop"),
        [("PATH", "/bin"), ("A", "inherited"), ("B", "inherited")],
        [("A", "declared"), ("POD_IP", "forged")],
    );
    let get = |key: &str| variables.get(key).map(String::as_str);
    assert_eq!(get("PATH"), Some("/opt/ripstop:/bin"));
    assert_eq!((get("A"), get("B")), (Some("declared"), Some("inherited")));
    assert_eq!((get("POD_NAME"), get("HOSTNAME")), (Some("reviews-v1-0"), Some("reviews-v1-0")));
    assert_eq!((get("POD_NAMESPACE"), get("POD_IP")), (Some("bookinfo"), Some("10.244.1.2")));
    assert_eq!((get("NODE_NAME"), get("SERVICE_ACCOUNT")), (Some("node-a"), Some("reviews")));
}

#[test]
fn a_declared_path_is_left_alone() {
    let set = variables(&place(), Path::new("/opt"), [("PATH", "/bin")], [("PATH", "/mine")]);
    assert_eq!(set["PATH"], "/mine");
    let none = variables(&place(), Path::new("/opt"), [], []);
    assert_eq!(none["PATH"], format!("/opt:{DEFAULT_PATH}"));
}

#[test]
fn resolv_conf_has_the_search_list_of_kubernetes() {
    assert_eq!(
        resolv_conf("bookinfo", "svc.cluster.local", "10.244.1.1".parse().unwrap()),
        "nameserver 10.244.1.1\nsearch bookinfo.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n"
    );
}

#[test]
fn hosts_name_the_instance() {
    let text = hosts("reviews-v1-0", &place().addresses);
    assert!(text.contains("10.244.1.2\treviews-v1-0\n") && text.contains("fd00:10:244:1::2\treviews-v1-0\n"));
}

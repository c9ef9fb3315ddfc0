use crate::{analyze::table::object, tests::World};

/// Each rule of `shop/front`: where it stands, its matches with their gateways, where it leads, its mirrors.
fn rules(text: &str) -> Vec<String> {
    let mut world = World::of(text);
    let output = world.compile();
    let table = &output.traffic.routes[&("shop".into(), "front".into())];
    let show = |rule: &ripstop_model::HttpRule| {
        let matches = rule.matches.iter().map(|wanted| format!("{} {:?}", wanted.path, wanted.source.gateways));
        let ripstop_model::HttpAction::Forward(backends) = &rule.action else { panic!("{:?}", rule.action) };
        let backends = backends.iter().map(|backend| format!("{} {}", backend.path, backend.backend.host));
        let mirrors = rule.mirrors.iter().map(|mirror| format!("{} {}", mirror.path, mirror.backend.host));
        let list = |items: Vec<String>| items.join(", ");
        format!(
            "{}: [{}] -> [{}] mirrors [{}]",
            rule.id,
            list(matches.collect()),
            list(backends.collect()),
            list(mirrors.collect())
        )
        .replace("Named", "")
    };
    table.http.iter().map(show).collect()
}

fn front(http: &str) -> String {
    object("VirtualService", "shop", "front", &format!("{{hosts: [front], gateways: [gw, mesh], http: [{http}]}}"))
}

fn leaf(http: &str) -> String {
    object("VirtualService", "bank", "leaf", &format!("{{http: [{http}]}}"))
}

#[test]
fn names_mean_what_they_mean_where_they_stand() {
    let of_root =
        front("{mirror: {host: details}, match: [{gateways: [gw, mesh]}], delegate: {name: leaf, namespace: bank}}");
    assert_eq!(
        rules(&(of_root + &leaf("{route: [{destination: {host: money}}]}"))),
        ["VirtualService/bank/leaf/1/spec.http[0]: [spec.http[0] [((\"shop\", \"gw\")), Mesh]] -> \
         [spec.http[0].route[0] money.bank.svc.cluster.local] mirrors [spec.http[0] details.shop.svc.cluster.local]"]
    );
    let of_root = front("{mirrors: [{destination: {host: details}}], delegate: {name: leaf, namespace: bank}}");
    let of_leaf = leaf(
        "{route: [{destination: {host: money}}]}, \
         {mirror: {host: audit}, match: [{gateways: [own]}], route: [{destination: {host: money.shop}}]}",
    );
    assert_eq!(
        rules(&(of_root + &of_leaf)),
        [
            "VirtualService/bank/leaf/1/spec.http[0]: [] -> [spec.http[0].route[0] money.bank.svc.cluster.local] \
             mirrors [spec.http[0] details.shop.svc.cluster.local]",
            "VirtualService/bank/leaf/1/spec.http[1]: [spec.http[1].match[0] [((\"bank\", \"own\"))]] -> \
             [spec.http[1].route[0] money.shop] mirrors [spec.http[1].mirror audit.bank.svc.cluster.local]",
        ]
    );
}

#[test]
fn gateways_agree_by_their_full_names() {
    let of_root = |gateway: &str| {
        front(&format!("{{match: [{{gateways: [{gateway}]}}], delegate: {{name: leaf, namespace: bank}}}}"))
    };
    let of_leaf = |gateway: &str| {
        leaf(&format!("{{match: [{{gateways: [{gateway}]}}], route: [{{destination: {{host: money}}}}]}}"))
    };
    for (root, leaf, agree) in [
        ("gw", "shop/gw", true),
        ("bank/gw", "gw", true),
        ("gw", "gw", false),
        ("gw", "bank/gw", false),
        ("mesh", "mesh", true),
    ] {
        assert_eq!(rules(&(of_root(root) + &of_leaf(leaf))).len(), usize::from(agree), "{root} {leaf}");
    }
}

#[test]
fn places_are_in_the_delegate_and_tell_matches_apart() {
    let of_root = front("{match: [{uri: {prefix: /a}}, {port: 80}], delegate: {name: leaf, namespace: bank}}");
    let places = |of_leaf: &str| -> Vec<Vec<String>> {
        let mut world = World::of(&(of_root.clone() + &leaf(of_leaf)));
        let output = world.compile();
        let table = &output.traffic.routes[&("shop".into(), "front".into())];
        let id = "VirtualService/bank/leaf/1/spec.http[0]";
        assert!(table.http.iter().all(|rule| rule.id.to_string() == id));
        table.http.iter().map(|rule| rule.matches.iter().map(|wanted| wanted.path.to_string()).collect()).collect()
    };
    let (zero, one) = ("spec.http[0].match[0]".to_owned(), "spec.http[0].match[1]".to_owned());
    assert_eq!(
        places("{match: [{uri: {prefix: /a/b}}, {uri: {prefix: /a/c}}], route: [{destination: {host: money}}]}"),
        [vec![zero.clone()], vec![zero.clone(), one.clone()], vec![one.clone()]]
    );
    assert_eq!(
        places("{match: [{uri: {prefix: /c}}, {uri: {prefix: /d}}], route: [{destination: {host: money}}]}"),
        [vec![zero, one]]
    );
    let whole = "spec.http[0]".to_owned();
    assert_eq!(places("{route: [{destination: {host: money}}]}"), [vec![whole.clone()], vec![whole]]);
}

use crate::tests::{World, object};

fn entry(namespace: &str, name: &str, rest: &str) -> String {
    object(
        "ServiceEntry",
        namespace,
        name,
        &format!("spec: {{hosts: [{name}.example], resolution: DNS, ports: [{{number: 80, name: http, protocol: HTTP}}]{rest}}}\n"),
    )
    .replace("apiVersion: v1", "apiVersion: networking.istio.io/v1")
}

fn mesh(visibility: &str, shop: &str) -> String {
    object("Mesh", "", "default", &format!("spec: {{meshConfig: {{serviceEntryVisibility: {visibility}}}}}\n"))
        + &object("Namespace", "", "shop", &format!("  labels: {{{shop}}}\n"))
        + &entry("shop", "all", "")
        + &entry("shop", "own", ", exportTo: ['.']")
        + &entry("shop", "blogs", ", exportTo: [blog]")
        + &entry("blog", "other", "")
}

/// Who of `shop` and `blog` sees each entry.
fn seen(world: &mut World) -> Vec<String> {
    let output = world.compile();
    let hosts = output.traffic.entries.values().flat_map(|hosts| hosts.iter());
    hosts
        .map(|entry| {
            let who: Vec<_> = ["shop", "blog"].into_iter().filter(|name| entry.visibility.includes(name)).collect();
            format!("{}: {}", entry.object.1, who.join(" "))
        })
        .collect()
}

#[test]
fn the_mesh_grants_no_more_than_it_says() {
    let policy = |visibility: &str| {
        format!(
            "{{policies: [{{visibility: {visibility}, matchingRules: [{{namespaceSelector: {{matchLabels: {{env: prod}}}}}}]}}]}}"
        )
    };
    for (title, visibility, expected) in [
        ("everything", "{}".to_owned(), ["other: shop blog", "all: shop blog", "blogs: blog", "own: shop"]),
        ("its namespace", policy("NAMESPACE"), ["other: shop blog", "all: shop", "blogs: ", "own: shop"]),
        ("nobody", policy("NONE"), ["other: shop blog", "all: ", "blogs: ", "own: "]),
        (
            "the default is for all others",
            "{defaultVisibility: NONE, policies: [{visibility: PUBLIC, matchingRules: [{namespaceSelector: {matchLabels: {env: prod}}}]}]}".to_owned(),
            ["other: ", "all: shop blog", "blogs: blog", "own: shop"],
        ),
        (
            "a rule that says nothing matches nobody",
            "{policies: [{visibility: NONE, matchingRules: [{}]}, {visibility: NAMESPACE}]}".to_owned(),
            ["other: blog", "all: shop", "blogs: ", "own: shop"],
        ),
    ] {
        assert_eq!(seen(&mut World::of(&mesh(&visibility, "env: prod"))), expected, "{title}");
    }
}

#[test]
fn labels_of_the_namespace_act_live() {
    let visibility =
        "{policies: [{visibility: NAMESPACE, matchingRules: [{namespaceSelector: {matchLabels: {env: prod}}}]}]}";
    let mut world = World::of(&mesh(visibility, "env: test"));
    assert_eq!(seen(&mut world)[1], "all: shop blog");
    world.declare(&mesh(visibility, "env: prod"));
    assert_eq!(seen(&mut world)[1], "all: shop");
    world.declare(&mesh(visibility, "env: test"));
    assert_eq!(seen(&mut world)[1], "all: shop blog");
}

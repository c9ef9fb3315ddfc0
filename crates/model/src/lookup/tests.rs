use super::*;

const fn called<'a>(namespace: &'a str, instance: &'a str, process: &'a str, app: &'a str) -> Called<'a> {
    Called { namespace, instance, process, app }
}

const ALL: [Called<'_>; 7] = [
    called("shop", "reviews-v1-0", "reviews-v1", "reviews"),
    called("shop", "reviews-v1-1", "reviews-v1", "reviews"),
    called("shop", "reviews-v2-0", "reviews-v2", "reviews"),
    called("shop", "web-0", "web", "web"),
    called("bank", "web-0", "web", "web"),
    called("bank", "a.b-0", "a.b", ""),
    called("bank", "ledger-0", "ledger", ""),
];

fn found(namespace: Option<&str>, text: &str) -> Result<Found, String> {
    find(&ALL, namespace, text).map_err(|error| error.to_string())
}

#[test]
fn names_of_workloads_processes_and_applications() {
    let table = [
        (None, "reviews-v1-1", Found::Instance(1)),
        (None, "reviews-v1", Found::Process(vec![0, 1])),
        (None, "reviews", Found::App(vec![0, 1, 2])),
        (None, "shop/reviews", Found::App(vec![0, 1, 2])),
        (Some("shop"), "web", Found::Process(vec![3])),
        (None, "bank/web-0", Found::Instance(4)),
        (None, "web.bank", Found::Process(vec![4])),
        (None, "a.b", Found::Process(vec![5])),
        (None, "a.b.bank", Found::Process(vec![5])),
        (Some("bank"), "ledger-0", Found::Instance(6)),
    ];
    for (namespace, text, expected) in table {
        assert_eq!(found(namespace, text), Ok(expected), "{namespace:?} {text}");
    }
}

#[test]
fn what_nobody_or_too_many_are_called() {
    let table = [
        (None, "web", "it is in several namespaces: bank, shop; write NAMESPACE/NAME"),
        (None, "web-0", "it is in several namespaces: bank, shop; write NAMESPACE/NAME"),
        (None, "reveiws-v1", "did you mean shop/reviews-v1 or shop/reviews-v2?"),
        (None, "review", "did you mean shop/reviews-v1 or shop/reviews-v2?"),
        (None, "shop/ledger", "did you mean bank/ledger?"),
        (Some("shop"), "ledger", "did you mean bank/ledger?"),
        (None, "reviews.bank", "did you mean shop/reviews-v1 or shop/reviews-v2?"),
        (None, "nobody", ""),
        (None, "", ""),
    ];
    for (namespace, text, expected) in table {
        assert_eq!(found(namespace, text), Err(expected.to_owned()), "{namespace:?} {text:?}");
    }
}

#[test]
fn the_likeliest_come_first_and_there_are_at_most_three() {
    let known = ["node-east", "node-west", "control", "agent-east", "agent-west"];
    assert_eq!(near("node-eats", known), ["node-east", "node-west"]);
    assert_eq!(near("contrl", known), ["control"]);
    assert_eq!(near("east", known), ["agent-east", "node-east"]);
    assert_eq!(near("a", ["a1", "a2", "a3", "a4"]), ["a1", "a2", "a3"]);
    assert!(near("broker", known).is_empty());
}

#[test]
fn labels_say_the_application() {
    let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    assert_eq!(app(&labels(&[("app", "a"), ("app.kubernetes.io/name", "b")])), Some("b"));
    assert_eq!(app(&labels(&[("app", "")])), None);
    assert_eq!(app(&labels(&[])), None);
}

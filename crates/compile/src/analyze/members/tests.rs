use ripstop_model::DataplaneMode;

use super::*;
use crate::{
    analyze::table::{ground, process},
    tests::{World, now},
};

#[test]
fn selection() {
    let mut world = World::of(&(ground("shop", &["cart", "pay"]) + &process("yard", "cart", "")));
    world.run("shop", "cart", 0);
    let other = world.run("shop", "once", 0);
    other.labels.insert("app".into(), "cart".into());
    other.labels.insert("version".into(), "v2".into());
    let output = world.compile();
    let mesh = Mesh { output, objects: &output.objects, declarations: &output.declarations, now: now() };
    let members = Members::of(&mesh);
    let names = |namespace: Option<&str>, wanted: &[(&str, &str)]| -> Vec<String> {
        let wanted = wanted.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        members.selected(namespace, &wanted).map(|index| members.get(index).to_string()).collect()
    };
    let gateway = "the default ingress gateway";
    for (namespace, wanted, expected) in [
        (Some("shop"), &[][..], &["Process/shop/cart", "Process/shop/pay", "workload shop/once-0"][..]),
        (Some("shop"), &[("app", "cart")], &["Process/shop/cart", "workload shop/once-0"]),
        (Some("shop"), &[("app", "cart"), ("version", "v2")], &["workload shop/once-0"]),
        (Some("shop"), &[("app", "cart"), ("version", "v3")], &[]),
        (Some("nowhere"), &[], &[]),
        (Some("istio-system"), &[("istio", "ingressgateway")], &[gateway]),
        (None, &[("app", "cart"), ("version", "v1")], &["Process/shop/cart", "Process/yard/cart"]),
        (None, &[], &[gateway, "Process/shop/cart", "Process/shop/pay", "Process/yard/cart", "workload shop/once-0"]),
    ] {
        assert_eq!(names(namespace, wanted), expected, "{namespace:?} {wanted:?}");
    }
    let modes: Vec<_> = members.all.iter().map(|member| member.mode).collect();
    let node = DataplaneMode::Node;
    assert_eq!(modes, [DataplaneMode::Sidecar, node, node, DataplaneMode::None, node]);
    let proxies = |wanted: Wanted| -> Vec<_> { members.proxies(&wanted).collect() };
    assert_eq!(proxies(Wanted::new()), [0]);
    assert_eq!(proxies([("app".to_owned(), "pay".to_owned())].into()), [2]);
}

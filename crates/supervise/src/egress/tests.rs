use super::*;

fn rules(allow: &[&str], deny: &[&str]) -> EgressRules {
    let nets = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    EgressRules { allow: nets(allow), deny: nets(deny), dns_upstream: Vec::new() }
}

#[test]
fn the_rule_without_wishes() {
    use Owner::{Host, Other};
    use Refusal::{LinkLocal, Loopback, Multicast, OwnAddress, Unspecified};
    let table: &[(&str, Owner, Option<Refusal>)] = &[
        ("93.184.216.34", Other, None),
        ("2606:2800:220:1::1", Other, None),
        ("192.168.1.1", Other, None),
        ("10.0.0.1", Other, None),
        ("192.168.1.5", Host, Some(OwnAddress)),
        ("2001:db8::5", Host, Some(OwnAddress)),
        ("127.0.0.1", Other, Some(Loopback)),
        ("127.255.255.254", Host, Some(Loopback)),
        ("::1", Other, Some(Loopback)),
        ("::127.0.0.1", Other, Some(Loopback)),
        ("::ffff:127.0.0.1", Other, Some(Loopback)),
        ("::ffff:169.254.169.254", Other, Some(LinkLocal)),
        ("169.254.169.254", Other, Some(LinkLocal)),
        ("fe80::1", Other, Some(LinkLocal)),
        ("224.0.0.1", Other, Some(Multicast)),
        ("255.255.255.255", Other, Some(Multicast)),
        ("ff02::1", Other, Some(Multicast)),
        ("0.0.0.0", Other, Some(Unspecified)),
        ("0.1.2.3", Other, Some(Unspecified)),
        ("::", Other, Some(Unspecified)),
        ("::ffff:0.0.0.0", Other, Some(Unspecified)),
    ];
    for (address, owner, expected) in table {
        let seen = rules(&[], &[]).judge(address.parse().unwrap(), Transport::Tcp, *owner);
        assert_eq!(seen.err(), *expected, "{address}");
    }
}

#[test]
fn allow_opens_and_deny_closes() {
    let judge =
        |rules: &EgressRules, address: &str| rules.judge(address.parse().unwrap(), Transport::Tcp, Owner::Other);
    let wishes = rules(&["127.0.0.1/32", "169.254.169.254/32", "0.0.0.0/0"], &["10.0.0.0/8", "127.0.0.9/32"]);
    assert_eq!(judge(&wishes, "127.0.0.1"), Ok(()));
    assert_eq!(judge(&wishes, "::ffff:127.0.0.1"), Ok(()));
    assert_eq!(judge(&wishes, "169.254.169.254"), Ok(()));
    assert_eq!(judge(&wishes, "127.0.0.9"), Err(Refusal::Denied), "deny wins");
    assert_eq!(judge(&wishes, "10.1.2.3"), Err(Refusal::Denied));
    assert_eq!(judge(&wishes, "0.0.0.0"), Err(Refusal::Unspecified), "never");
    assert_eq!(judge(&wishes, "::1"), Err(Refusal::Loopback));
    let own = wishes.judge("192.168.1.5".parse().unwrap(), Transport::Tcp, Owner::Host);
    assert_eq!(own, Ok(()));
}

#[test]
fn udp_leaves_only_where_it_is_named() {
    let address = "192.0.2.7".parse().unwrap();
    assert_eq!(rules(&[], &[]).judge(address, Transport::Udp, Owner::Other), Err(Refusal::Udp));
    assert_eq!(rules(&["192.0.2.7/32"], &[]).judge(address, Transport::Udp, Owner::Other), Ok(()));
}

use proptest::{collection::vec, prelude::*, sample::select};
use prost::Message as _;
use ripstop_model::{PolicyTarget, Selector, TargetKind, TargetRef};

use super::*;

fn text() -> impl Strategy<Value = Arc<str>> {
    "[a-z/.*-]{1,8}".prop_map(Arc::from)
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::Exact),
        text().prop_map(Value::Prefix),
        text().prop_map(Value::Suffix),
        Just(Value::Present),
        text().prop_map(Value::Glob),
        text().prop_map(Value::Template),
        select(vec!["10.0.0.0/8", "192.0.2.1/32", "fd00::/8"]).prop_map(|block| Value::Block(block.parse().unwrap())),
        any::<u16>().prop_map(Value::Port),
        (text(), text()).prop_map(|(namespace, name)| Value::Account { namespace, name }),
    ]
}

fn attribute() -> impl Strategy<Value = Attribute> {
    prop_oneof![
        select(vec![
            Attribute::Principal,
            Attribute::Namespace,
            Attribute::ServiceAccount,
            Attribute::TrustDomain,
            Attribute::SourceIp,
            Attribute::RemoteIp,
            Attribute::DestinationIp,
            Attribute::Port,
            Attribute::Sni,
            Attribute::RequestPrincipal,
            Attribute::Audiences,
            Attribute::Presenter,
            Attribute::Host,
            Attribute::Method,
            Attribute::Path,
        ]),
        text().prop_map(Attribute::Header),
        text().prop_map(Attribute::Metadata),
        vec(text(), 1..3).prop_map(Attribute::Claim),
    ]
}

fn condition() -> impl Strategy<Value = Condition> {
    (attribute(), any::<bool>(), vec(value(), 0..3), text()).prop_map(|(attribute, any_of, values, path)| Condition {
        attribute,
        sense: if any_of { Sense::AnyOf } else { Sense::NoneOf },
        values,
        path,
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    let alternatives = || vec(vec(condition(), 0..3), 0..3);
    (alternatives(), alternatives(), vec(condition(), 0..3)).prop_map(|(from, to, when)| Rule { from, to, when })
}

fn target() -> impl Strategy<Value = PolicyTarget> {
    let kinds = vec![TargetKind::Service, TargetKind::Entry, TargetKind::Gateway, TargetKind::GatewayClass];
    let reference = (select(kinds), text()).prop_map(|(kind, name)| TargetRef { kind, name });
    prop_oneof![
        proptest::collection::btree_map(text(), text(), 0..3)
            .prop_map(|labels| PolicyTarget::Workloads(Selector(labels))),
        vec(reference, 0..3).prop_map(PolicyTarget::Attached),
    ]
}

fn action() -> impl Strategy<Value = Action> {
    let protocols = vec![None, Some(AuthorizerProtocol::Http), Some(AuthorizerProtocol::Grpc)];
    prop_oneof![
        select(vec![Action::Allow, Action::Deny, Action::Audit]),
        (text(), select(protocols)).prop_map(|(name, protocol)| Action::Custom(Authorizer { name, protocol })),
    ]
}

proptest! {
    #[test]
    fn survives_the_wire(target in target(), action in action(), rules in vec(rule(), 0..3), dry_run: bool, created: u64) {
        let policy = Authorization {
            id: RuleId("AuthorizationPolicy/a/b/1".into()),
            namespace: "a".into(),
            name: "b".into(),
            target,
            action,
            dry_run,
            rules,
            created,
        };
        let encoded = encode_authorization(&policy);
        prop_assert_eq!(&*encoded.name, "a/b");
        prop_assert_eq!(decode(&encoded.name, &encoded.body), Ok(policy));
    }
}

#[test]
fn what_is_not_understood_refuses_the_whole() {
    let good = || ripstop::Authorization {
        id: "id".into(),
        namespace: "ns".into(),
        name: "name".into(),
        action: authorization::Action::Allow.into(),
        ..ripstop::Authorization::default()
    };
    let with = |condition: ripstop::Condition| {
        let rule = ripstop::AuthorizationRule { when: vec![condition], ..ripstop::AuthorizationRule::default() };
        ripstop::Authorization { rules: vec![rule], ..good() }
    };
    let value = |kind| ripstop::Condition {
        attribute: condition::Attribute::Port.into(),
        path: "when[0].values".into(),
        values: vec![ripstop::AuthorizationValue { kind }],
        ..ripstop::Condition::default()
    };
    for (field, message) in [
        ("field id", ripstop::Authorization { id: String::new(), ..good() }),
        ("field action", ripstop::Authorization { action: 5, ..good() }),
        ("action: it is missing", ripstop::Authorization { action: 0, ..good() }),
        ("its attribute is missing", with(ripstop::Condition { attribute: 0, ..value(None) })),
        ("field rules[0].when[0].values", with(ripstop::Condition { attribute: 99, ..value(None) })),
        ("of an unknown kind", with(value(None))),
        ("field rules[0].when[0].values", with(value(Some(authorization_value::Kind::Port(70000))))),
        ("field rules[0].when[0].values", with(value(Some(authorization_value::Kind::Block("x".into()))))),
        (
            "one name is expected",
            with(ripstop::Condition {
                attribute: condition::Attribute::Header.into(),
                path: "when[0].values".into(),
                ..ripstop::Condition::default()
            }),
        ),
        ("content is that of \"other/name\"", ripstop::Authorization { namespace: "other".into(), ..good() }),
    ] {
        let error = decode("ns/name", &message.encode_to_vec().into()).unwrap_err().to_string();
        assert!(error.contains(field) && error.contains("ns/name"), "{field}: {error}");
    }
    // A field that is new: number 99, a text.
    let newer = [&good().encode_to_vec()[..], &[0x9a, 0x06, 1, b'x']].concat();
    assert!(decode("ns/name", &good().encode_to_vec().into()).is_ok());
    let error = decode("ns/name", &newer.into()).unwrap_err().to_string();
    assert!(error.contains("not known here"), "{error}");
}

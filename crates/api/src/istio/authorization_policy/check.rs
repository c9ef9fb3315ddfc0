//! What Istio asks of a policy beyond the types of its fields.

use super::{
    super::{check_attachment, values},
    AuthorizationAction, AuthorizationOperation, AuthorizationPolicy, AuthorizationProvider, AuthorizationRule,
    AuthorizationSource,
    form::{Form, check_list},
};
use crate::{
    decode::{Decoder, Field, join, last, quoted},
    finding::code,
    tree::{Scalar, Type, Value},
};

/// Most rules of a policy.
const RULES: usize = 512;

/// A whole policy.
pub(super) fn policy(policy: &AuthorizationPolicy, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_attachment(decoder, field, policy.target_refs.len());
    let rules = field.child("rules");
    let count = rules.as_ref().map_or(0, |rules| rules.each().len());
    if count > RULES {
        let message = format!("`rules` has {count} items, at most {RULES} are allowed");
        decoder.report(code::OUT_OF_RANGE, &field.at("rules"), message, "make several policies of it");
    }
    let Some(action) = action(policy, field) else { return };
    if rules.is_none_or(|rules| rules.is_empty_list()) {
        no_rules(decoder, field, action);
    }
    provider(decoder, field, action);
    if action == AuthorizationAction::Custom {
        custom(decoder, field);
    }
}

/// What is done, unless it cannot be read.
fn action(policy: &AuthorizationPolicy, field: &Field<'_>) -> Option<AuthorizationAction> {
    let Some(given) = field.child("action") else { return Some(policy.action) };
    let by_default = policy.action == AuthorizationAction::default();
    let named = given.node.text() == Some(policy.action.as_str());
    let numbered = given.node.scalar().map(Scalar::kind) == Some(Type::Integer(0));
    (!by_default || named || numbered).then_some(policy.action)
}

fn no_rules(decoder: &mut Decoder<'_>, field: &Field<'_>, action: AuthorizationAction) {
    let code = match action {
        AuthorizationAction::Allow => return,
        AuthorizationAction::Audit => code::SCHEMA_WARNING,
        AuthorizationAction::Deny | AuthorizationAction::Custom => code::MISSING,
    };
    let message = format!("`{}` without `rules` never fires", action.as_str());
    let hint = "name what it is for, or write `rules: [{}]` for everything";
    let mark = field.child("rules").unwrap_or_else(|| field.at("action")).node.mark;
    decoder.report_at(code, &join(&field.path, "rules"), mark, message, hint);
}

fn provider(decoder: &mut Decoder<'_>, field: &Field<'_>, action: AuthorizationAction) {
    match (action, field.child("provider")) {
        (AuthorizationAction::Custom, None) => {
            let hint = "name the mesh's extension provider that decides: `provider: {name: …}`";
            let mark = field.at("action").node.mark;
            let path = join(&field.path, "provider");
            decoder.report_at(code::MISSING, &path, mark, "`CUSTOM` needs a `provider`", hint);
        }
        (AuthorizationAction::Custom, Some(_)) | (_, None) => {}
        (action, Some(provider)) => {
            let message = format!("`provider` is for `action: CUSTOM`, and not for `{}`", action.as_str());
            decoder.report(code::CONFLICT, &provider, message, "remove it, or write `action: CUSTOM`");
        }
    }
}

/// Fields of a source that need what is not known when an authorizer is asked.
const NOT_FOR_CUSTOM: [&str; 10] = [
    "principals",
    "notPrincipals",
    "requestPrincipals",
    "notRequestPrincipals",
    "namespaces",
    "notNamespaces",
    "serviceAccounts",
    "notServiceAccounts",
    "trustDomains",
    "notTrustDomains",
];

/// The same, of attributes.
const KEYS_NOT_FOR_CUSTOM: [&str; 4] =
    ["source.namespace", "source.serviceAccount", "source.trustDomain", "source.principal"];

fn custom(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    for rule in field.child("rules").iter().flat_map(Field::each) {
        for source in rule.child("from").iter().flat_map(Field::each).filter_map(|from| from.child("source")) {
            for given in NOT_FOR_CUSTOM.iter().filter_map(|name| source.child(name)) {
                if !given.is_empty_list() {
                    not_for_custom(decoder, &given, last(&given.path));
                }
            }
        }
        for key in rule.child("when").iter().flat_map(Field::each).filter_map(|when| when.child("key")) {
            let Some(text) = key.node.text() else { continue };
            if KEYS_NOT_FOR_CUSTOM.contains(&text) || text.starts_with("request.auth.") {
                not_for_custom(decoder, &key, text);
            }
        }
    }
}

fn not_for_custom(decoder: &mut Decoder<'_>, field: &Field<'_>, what: &str) {
    let message = format!("{} cannot be asked for with `action: CUSTOM`", quoted(what));
    decoder.report(code::CONFLICT, field, message, "let the authorizer look at it, or use an `ALLOW` or `DENY` policy");
}

/// Who is asked.
pub(super) fn named(_: &AuthorizationProvider, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    values::check_filled(decoder, field, &["name"]);
}

/// One of the rules.
pub(super) fn rule(_: &AuthorizationRule, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    for (name, all) in [("from", "anybody"), ("to", "anything")] {
        if let Some(list) = field.child(name).filter(Field::is_empty_list) {
            let hint = format!("name one, or remove `{name}` to mean {all}");
            decoder.report(code::MISSING, &list, format!("`{name}` is empty"), hint);
        }
    }
}

/// The fields of a source.
const SOURCE: [(&str, Form); 14] = [
    ("principals", Form::Principal),
    ("notPrincipals", Form::Principal),
    ("requestPrincipals", Form::Text),
    ("notRequestPrincipals", Form::Text),
    ("namespaces", Form::Namespace),
    ("notNamespaces", Form::Namespace),
    ("serviceAccounts", Form::ServiceAccount),
    ("notServiceAccounts", Form::ServiceAccount),
    ("trustDomains", Form::Text),
    ("notTrustDomains", Form::Text),
    ("ipBlocks", Form::Address),
    ("notIpBlocks", Form::Address),
    ("remoteIpBlocks", Form::Address),
    ("notRemoteIpBlocks", Form::Address),
];

/// One of `from`.
pub(super) fn source(_: &AuthorizationSource, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    fields(decoder, field, &SOURCE, "remove `from` to mean anybody");
    let given = |names: [&'static str; 4]| names.into_iter().filter(|name| field.child(name).is_some());
    let accounts = ["serviceAccounts", "notServiceAccounts"].into_iter().find_map(|name| field.child(name));
    let others: Vec<_> = given(["principals", "notPrincipals", "namespaces", "notNamespaces"]).collect();
    if let Some(accounts) = accounts
        && !others.is_empty()
    {
        let message = format!("`{}` excludes `{}`", last(&accounts.path), others.join("` and `"));
        decoder.report(code::CONFLICT, &accounts, message, "keep one of them; two sources would be alternatives");
    }
}

/// The fields of an operation.
const OPERATION: [(&str, Form); 8] = [
    ("hosts", Form::Text),
    ("notHosts", Form::Text),
    ("ports", Form::Port),
    ("notPorts", Form::Port),
    ("methods", Form::Method),
    ("notMethods", Form::Method),
    ("paths", Form::Path),
    ("notPaths", Form::Path),
];

/// One of `to`.
pub(super) fn operation(_: &AuthorizationOperation, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    fields(decoder, field, &OPERATION, "remove `to` to mean anything");
}

/// At least one field says something; those that do say something sensible.
fn fields(decoder: &mut Decoder<'_>, field: &Field<'_>, forms: &[(&str, Form)], all: &str) {
    let empty = |value: &Value| matches!(value, Value::Sequence(items) if items.is_empty());
    let says_nothing = field
        .node
        .mapping()
        .is_some_and(|mapping| mapping.entries.iter().all(|entry| entry.value.is_null() || empty(&entry.value.value)));
    if says_nothing {
        let message = format!("`{}` asks for nothing", last(&field.path));
        decoder.report(code::MISSING, field, message, format!("name values in one of its fields, or {all}"));
        return;
    }
    for (name, form) in forms {
        if let Some(list) = field.child(name) {
            check_list(decoder, &list, Some(*form));
        }
    }
}

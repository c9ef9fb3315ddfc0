//! `Authorization`s, named `<namespace>/<name>`.

use std::sync::Arc;

use bytes::Bytes;
use ripstop_model::{
    Action, Attribute, Authorization, Authorizer, AuthorizerProtocol, Condition, ObjectName, Rule, RuleId, Sense, Value,
};

use crate::{
    DecodeError, Encoded,
    field::Context,
    place::Place,
    ripstop::{self, authorization, authorization_value, condition},
    target::Target,
    type_url,
};

/// The resource of a policy.
pub fn encode_authorization(policy: &Authorization) -> Encoded {
    let Target { selector, attached, targets } = Target::of(&policy.target);
    let authorizer = match &policy.action {
        Action::Custom(authorizer) => Some(authorizer),
        Action::Allow | Action::Deny | Action::Audit => None,
    };
    let message = ripstop::Authorization {
        id: policy.id.to_string(),
        namespace: policy.namespace.to_string(),
        name: policy.name.to_string(),
        selector,
        attached,
        targets,
        action: match policy.action {
            Action::Allow => authorization::Action::Allow,
            Action::Deny => authorization::Action::Deny,
            Action::Audit => authorization::Action::Audit,
            Action::Custom(_) => authorization::Action::Custom,
        }
        .into(),
        authorizer: authorizer.map(|authorizer| authorizer.name.to_string()).unwrap_or_default(),
        authorizer_protocol: match authorizer.and_then(|authorizer| authorizer.protocol) {
            None => authorization::AuthorizerProtocol::Undeclared,
            Some(AuthorizerProtocol::Http) => authorization::AuthorizerProtocol::Http,
            Some(AuthorizerProtocol::Grpc) => authorization::AuthorizerProtocol::Grpc,
        }
        .into(),
        dry_run: policy.dry_run,
        rules: policy.rules.iter().map(rule_to_wire).collect(),
        created: policy.created,
    };
    Encoded::new(type_url::AUTHORIZATION, format!("{}/{}", policy.namespace, policy.name), &message)
}

/// Decodes the resource `name`. What is not understood refuses it: half a policy is no policy.
pub fn decode(name: &str, body: &Bytes) -> Result<Authorization, DecodeError> {
    let context = Context::new(type_url::AUTHORIZATION, name);
    let message: ripstop::Authorization = context.whole(body)?;
    context.named(&format!("{}/{}", message.namespace, message.name))?;
    let action = match context.enumerated("action", message.action)? {
        authorization::Action::NoAction => return Err(context.error("action", "it is missing")),
        authorization::Action::Allow => Action::Allow,
        authorization::Action::Deny => Action::Deny,
        authorization::Action::Audit => Action::Audit,
        authorization::Action::Custom => Action::Custom(Authorizer {
            name: message.authorizer.into(),
            protocol: match context.enumerated("authorizer_protocol", message.authorizer_protocol)? {
                authorization::AuthorizerProtocol::Undeclared => None,
                authorization::AuthorizerProtocol::Http => Some(AuthorizerProtocol::Http),
                authorization::AuthorizerProtocol::Grpc => Some(AuthorizerProtocol::Grpc),
            },
        }),
    };
    let target = Target { selector: message.selector, attached: message.attached, targets: message.targets };
    let rules = message.rules.into_iter().enumerate().map(|(index, rule)| rule_from_wire(context, index, rule));
    Ok(Authorization {
        id: RuleId(context.required("id", message.id)?),
        namespace: context.required("namespace", message.namespace)?,
        name: context.required("name", message.name)?,
        target: target.into_model(&Place::new(context))?,
        action,
        dry_run: message.dry_run,
        rules: rules.collect::<Result<_, _>>()?,
        created: message.created,
    })
}

/// Reads namespace and name from the name of a resource.
pub fn decode_name(name: &str) -> Result<ObjectName, DecodeError> {
    Context::new(type_url::AUTHORIZATION, name).object_name()
}

fn rule_to_wire(rule: &Rule) -> ripstop::AuthorizationRule {
    let all =
        |conditions: &Vec<Condition>| ripstop::Conditions { all: conditions.iter().map(condition_to_wire).collect() };
    ripstop::AuthorizationRule {
        from: rule.from.iter().map(all).collect(),
        to: rule.to.iter().map(all).collect(),
        when: rule.when.iter().map(condition_to_wire).collect(),
    }
}

fn rule_from_wire(context: Context<'_>, index: usize, rule: ripstop::AuthorizationRule) -> Result<Rule, DecodeError> {
    let conditions = |conditions: Vec<ripstop::Condition>| -> Result<Vec<Condition>, DecodeError> {
        conditions.into_iter().map(|condition| condition_from_wire(context, index, condition)).collect()
    };
    let alternatives = |alternatives: Vec<ripstop::Conditions>| -> Result<Vec<Vec<Condition>>, DecodeError> {
        alternatives.into_iter().map(|each| conditions(each.all)).collect()
    };
    Ok(Rule { from: alternatives(rule.from)?, to: alternatives(rule.to)?, when: conditions(rule.when)? })
}

fn condition_to_wire(written: &Condition) -> ripstop::Condition {
    let names: Vec<String> = match &written.attribute {
        Attribute::Claim(names) => names.iter().map(ToString::to_string).collect(),
        Attribute::Header(name) | Attribute::Metadata(name) => vec![name.to_string()],
        _ => Vec::new(),
    };
    let attribute = match written.attribute {
        Attribute::Principal => condition::Attribute::Principal,
        Attribute::Namespace => condition::Attribute::Namespace,
        Attribute::ServiceAccount => condition::Attribute::ServiceAccount,
        Attribute::TrustDomain => condition::Attribute::TrustDomain,
        Attribute::SourceIp => condition::Attribute::SourceIp,
        Attribute::RemoteIp => condition::Attribute::RemoteIp,
        Attribute::DestinationIp => condition::Attribute::DestinationIp,
        Attribute::Port => condition::Attribute::Port,
        Attribute::Sni => condition::Attribute::Sni,
        Attribute::RequestPrincipal => condition::Attribute::RequestPrincipal,
        Attribute::Audiences => condition::Attribute::Audiences,
        Attribute::Presenter => condition::Attribute::Presenter,
        Attribute::Claim(_) => condition::Attribute::Claim,
        Attribute::Host => condition::Attribute::Host,
        Attribute::Method => condition::Attribute::Method,
        Attribute::Path => condition::Attribute::Path,
        Attribute::Header(_) => condition::Attribute::Header,
        Attribute::Metadata(_) => condition::Attribute::Metadata,
    };
    ripstop::Condition {
        attribute: attribute.into(),
        names,
        none_of: written.sense == Sense::NoneOf,
        values: written.values.iter().map(value_to_wire).collect(),
        path: written.path.to_string(),
    }
}

fn condition_from_wire(
    context: Context<'_>,
    rule: usize,
    written: ripstop::Condition,
) -> Result<Condition, DecodeError> {
    let field = format!("rules[{rule}].{}", written.path);
    let name = || match &written.names[..] {
        [name] => context.required(&field, name.clone()),
        names => Err(context.error(&field, format!("one name is expected, {} were found", names.len()))),
    };
    let attribute = match context.enumerated(&field, written.attribute)? {
        condition::Attribute::NoAttribute => return Err(context.error(&field, "its attribute is missing")),
        condition::Attribute::Principal => Attribute::Principal,
        condition::Attribute::Namespace => Attribute::Namespace,
        condition::Attribute::ServiceAccount => Attribute::ServiceAccount,
        condition::Attribute::TrustDomain => Attribute::TrustDomain,
        condition::Attribute::SourceIp => Attribute::SourceIp,
        condition::Attribute::RemoteIp => Attribute::RemoteIp,
        condition::Attribute::DestinationIp => Attribute::DestinationIp,
        condition::Attribute::Port => Attribute::Port,
        condition::Attribute::Sni => Attribute::Sni,
        condition::Attribute::RequestPrincipal => Attribute::RequestPrincipal,
        condition::Attribute::Audiences => Attribute::Audiences,
        condition::Attribute::Presenter => Attribute::Presenter,
        condition::Attribute::Claim => {
            Attribute::Claim(written.names.iter().map(|name| Arc::from(name.as_str())).collect())
        }
        condition::Attribute::Host => Attribute::Host,
        condition::Attribute::Method => Attribute::Method,
        condition::Attribute::Path => Attribute::Path,
        condition::Attribute::Header => Attribute::Header(name()?),
        condition::Attribute::Metadata => Attribute::Metadata(name()?),
    };
    let values = written.values.into_iter().map(|value| value_from_wire(context, &field, value));
    Ok(Condition {
        attribute,
        sense: if written.none_of { Sense::NoneOf } else { Sense::AnyOf },
        values: values.collect::<Result<_, _>>()?,
        path: written.path.into(),
    })
}

fn value_to_wire(value: &Value) -> ripstop::AuthorizationValue {
    use authorization_value::{Account, Kind};
    let kind = match value {
        Value::Exact(text) => Kind::Exact(text.to_string()),
        Value::Prefix(text) => Kind::Prefix(text.to_string()),
        Value::Suffix(text) => Kind::Suffix(text.to_string()),
        Value::Present => Kind::Present(true),
        Value::Glob(text) => Kind::Glob(text.to_string()),
        Value::Template(text) => Kind::Template(text.to_string()),
        Value::Block(block) => Kind::Block(block.to_string()),
        Value::Port(port) => Kind::Port((*port).into()),
        Value::Account { namespace, name } => {
            Kind::Account(Account { namespace: namespace.to_string(), name: name.to_string() })
        }
    };
    ripstop::AuthorizationValue { kind: Some(kind) }
}

fn value_from_wire(
    context: Context<'_>,
    field: &str,
    value: ripstop::AuthorizationValue,
) -> Result<Value, DecodeError> {
    use authorization_value::Kind;
    Ok(match value.kind.ok_or_else(|| context.error(field, "a value of an unknown kind"))? {
        Kind::Exact(text) => Value::Exact(text.into()),
        Kind::Prefix(text) => Value::Prefix(text.into()),
        Kind::Suffix(text) => Value::Suffix(text.into()),
        Kind::Present(_) => Value::Present,
        Kind::Glob(text) => Value::Glob(text.into()),
        Kind::Template(text) => Value::Template(text.into()),
        Kind::Block(text) => Value::Block(context.parsed(field, &text)?),
        // 0 is legal in a policy and matches nothing.
        Kind::Port(number) => {
            Value::Port(u16::try_from(number).map_err(|_| context.error(field, format!("{number} is not a port")))?)
        }
        Kind::Account(account) => Value::Account {
            namespace: context.required(field, account.namespace)?,
            name: context.required(field, account.name)?,
        },
    })
}

#[cfg(test)]
mod tests;

//! What the values of a field look like.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{super::values, path};
use crate::{
    decode::{Decoder, Field, last, quoted},
    finding::code,
};

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A text; `*` alone, first or last is a wildcard.
    Text,
    /// The same, an identity.
    Principal,
    /// A namespace; `*` anywhere is a wildcard.
    Namespace,
    /// `[namespace/]name`, without wildcards.
    ServiceAccount,
    /// An address or CIDR block.
    Address,
    /// A number.
    Port,
    /// A text, a method.
    Method,
    /// A text or a template.
    Path,
}

/// Most service accounts of a field, and characters of each.
const SERVICE_ACCOUNTS: (usize, usize) = (16, 320);

/// Methods as they are spelled.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/// The values of one field; without a form, whether they are there.
pub(super) fn check_list(decoder: &mut Decoder<'_>, list: &Field<'_>, form: Option<Form>) {
    if list.is_empty_list() {
        let message = format!("`{}` is empty, which restricts nothing", last(&list.path));
        decoder.report(code::SCHEMA_WARNING, list, message, "name values, or remove it");
    }
    let items = list.each();
    let (most, _) = SERVICE_ACCOUNTS;
    if form == Some(Form::ServiceAccount) && items.len() > most {
        let name = last(&list.path);
        let message = format!("`{name}` has {} items, at most {most} are allowed", items.len());
        let hint = if name == "serviceAccounts" { "make several sources of it, which are alternatives" } else { "" };
        decoder.report(code::OUT_OF_RANGE, list, message, hint);
    }
    for item in items {
        let Some(text) = item.node.text() else { continue };
        if values::check_text(decoder, &item) {
            continue;
        }
        match form {
            None | Some(Form::Namespace) => {}
            Some(Form::Text) => values::check_wildcard(decoder, &item, text),
            Some(Form::Principal) => principal(decoder, &item, text),
            Some(Form::ServiceAccount) => service_account(decoder, &item, text),
            Some(Form::Address) => address(decoder, &item, text),
            Some(Form::Port) => port(decoder, &item, text),
            Some(Form::Method) => method(decoder, &item, text),
            Some(Form::Path) => path::check(decoder, &item, text),
        }
    }
}

fn principal(decoder: &mut Decoder<'_>, field: &Field<'_>, text: &str) {
    values::check_wildcard(decoder, field, text);
    if let Some(rest) = text.strip_prefix("spiffe://") {
        let message = format!("identities are compared without `spiffe://`, so {} matches none", quoted(text));
        decoder.report(code::SCHEMA_WARNING, field, message, format!("write {}", quoted(rest)));
    }
}

fn service_account(decoder: &mut Decoder<'_>, field: &Field<'_>, text: &str) {
    let (_, longest) = SERVICE_ACCOUNTS;
    if text.contains('*') {
        let message = format!("{} has a wildcard, service accounts are compared whole", quoted(text));
        decoder.report(code::BAD_VALUE, field, message, "use `principals` or `namespaces` for wildcards");
    } else if text.len() > longest {
        let message = format!("the service account has {} characters, at most {longest} are allowed", text.len());
        decoder.report(code::OUT_OF_RANGE, field, message, "");
    } else if !text
        .split_once('/')
        .is_none_or(|(namespace, name)| !namespace.is_empty() && !name.is_empty() && !name.contains('/'))
    {
        let message = format!("{} is no service account", quoted(text));
        decoder.report(
            code::BAD_NAME,
            field,
            message,
            "write `namespace/name`, or `name` for the policy's own namespace",
        );
    }
}

fn address(decoder: &mut Decoder<'_>, field: &Field<'_>, text: &str) {
    if text.parse::<IpAddr>().is_err() && text.parse::<IpNet>().is_err() {
        let message = format!("{} is neither an IP address nor a CIDR block", quoted(text));
        decoder.report(code::BAD_ADDRESS, field, message, "write it like `192.0.2.7`, `10.0.0.0/8` or `2001:db8::/32`");
    }
}

fn port(decoder: &mut Decoder<'_>, field: &Field<'_>, text: &str) {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(0) if digits => {
            decoder.report(code::SCHEMA_WARNING, field, "no connection has port 0", "name a port from 1 to 65535");
        }
        Ok(_) if digits => {}
        _ => {
            let message = format!("{} is not a port from 1 to 65535", quoted(text));
            let hint =
                "write the workload's own port as a number in quotes; names, ranges and wildcards are not known here";
            decoder.report(code::OUT_OF_RANGE, field, message, hint);
        }
    }
}

fn method(decoder: &mut Decoder<'_>, field: &Field<'_>, text: &str) {
    values::check_wildcard(decoder, field, text);
    let upper = text.to_ascii_uppercase();
    if text != upper && METHODS.contains(&upper.as_str()) {
        let message = format!("methods are compared with their case, so {} is not `{upper}`", quoted(text));
        decoder.report(code::SCHEMA_WARNING, field, message, format!("write `{upper}`"));
    }
}

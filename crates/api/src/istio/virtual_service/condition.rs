//! Conditions of rules.

use super::{
    HttpMatch, TcpMatch, TlsMatch,
    check::{check_gateways, children},
};
use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
    istio::{
        header,
        host::{check_label, is_address},
        string_match::{refuse_empty_prefix, refuse_presence},
    },
    names,
};

pub(super) fn check_http(_: &HttpMatch, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(uri) = field.child("uri") {
        refuse_presence(decoder, &uri);
    }
    for part in ["scheme", "method", "authority"].iter().filter_map(|name| field.child(name)) {
        refuse_empty_prefix(decoder, &part);
        refuse_presence(decoder, &part);
    }
    for list in ["headers", "withoutHeaders"].iter().filter_map(|name| field.child(name)) {
        for (key, value) in list.pairs() {
            if let Err(why) = header::check_condition(&key.text) {
                let message = format!("{} is not the name of a header: {why}", quoted(&key.text));
                decoder.report_at(code::BAD_NAME, &value.path, key.mark, message, "");
            }
            refuse_empty_prefix(decoder, &value);
        }
    }
    for (_, value) in field.child("queryParams").iter().flat_map(Field::pairs) {
        refuse_empty_prefix(decoder, &value);
    }
    if let Some(namespace) = field.child("sourceNamespace")
        && let Some(text) = namespace.node.text().filter(|text| !text.is_empty())
        && let Err(why) = check_label(text)
    {
        let message = format!("{} is not the name of a namespace: {why}", quoted(text));
        decoder.report(code::BAD_NAME, &namespace, message, "");
    }
    check_labels(decoder, field);
    check_gateways(decoder, field);
    if field.child("gateways").is_some_and(|gateways| !gateways.is_empty_list()) {
        for source in ["sourceLabels", "sourceNamespace"].iter().filter_map(|name| field.child(name)) {
            decoder.not_acted_on(&source, "`gateways` is given: it counts, and the caller does not");
        }
    }
}

pub(super) fn check_tls(condition: &TlsMatch, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(names) = field.child("sniHosts").filter(Field::is_empty_list)
        && condition.sni_hosts.is_empty()
    {
        decoder.report(code::MISSING, &names, "`sniHosts` is empty", "name at least one server name");
    }
    check_connection(decoder, field);
}

pub(super) fn check_tcp(_: &TcpMatch, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_connection(decoder, field);
}

/// What TLS and TCP have in common.
fn check_connection(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    for item in children(field, "destinationSubnets") {
        let Some(text) = item.node.text() else { continue };
        if !is_address(text) && text.parse::<ipnet::IpNet>().is_err() {
            let message = format!("{} is neither an IP address nor a CIDR block", quoted(text));
            decoder.report(code::BAD_ADDRESS, &item, message, "write it like `10.0.0.0/8`");
        }
    }
    check_labels(decoder, field);
    check_gateways(decoder, field);
}

fn check_labels(decoder: &mut Decoder<'_>, field: &Field<'_>) {
    for (key, value) in field.child("sourceLabels").iter().flat_map(Field::pairs) {
        if let Err(why) = names::qualified_name(&key.text) {
            let message = format!("{} is not the key of a label: {why}", quoted(&key.text));
            decoder.report_at(code::BAD_LABEL, &value.path, key.mark, message, "");
        }
        if let Some(text) = value.node.text()
            && let Err(why) = names::label_value(text)
        {
            let message = format!("{} is not the value of a label: {why}", quoted(text));
            decoder.report(code::BAD_LABEL, &value, message, "");
        }
    }
}

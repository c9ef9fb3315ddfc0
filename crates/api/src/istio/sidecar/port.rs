//! Ports of a `Sidecar`'s listeners.

use std::collections::HashMap;

use crate::{
    decode::{Decoder, Field, Spelling},
    finding::code,
    istio::service_entry::port::{check_protocol, port_name, seen_before},
    schema::{Decode, Message, Reading, Shape},
    tree::{Scalar, Type},
};

/// A port of a listener.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SidecarPort {
    /// Number; nothing or 0 on a Unix socket.
    pub number: Option<u16>,
    /// Protocol, any case; empty: found out from the first bytes.
    pub protocol: String,
    /// Name.
    pub name: String,
    /// Not served.
    pub target_port: Option<u16>,
}

// === impl SidecarPort ===

impl Decode for SidecarPort {
    const SHAPE: Shape = Shape::Message(&Message {
        fields: &[
            ("number", &Shape::Scalar),
            ("protocol", &Shape::Scalar),
            ("name", &Shape::Scalar),
            ("targetPort", &Shape::Scalar),
        ],
    });

    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        let mut record = decoder.record(field, Spelling::Proto)?;
        let number = record.get(decoder, "number").filter(|_| is_numbered(field));
        let port = Self {
            number: number.and_then(|number| decoder.port(&number)),
            protocol: record.read(decoder, "protocol", Reading::PLAIN),
            name: record.read(decoder, "name", Reading::PLAIN),
            target_port: record.read(
                decoder,
                "targetPort",
                Reading::PLAIN.without_effect("`defaultEndpoint` says where the application listens"),
            ),
        };
        record.finish(decoder);
        if let Some(name) = field.child("name").filter(|name| !matches!(name.node.text(), None | Some(""))) {
            decoder.name(&name, "the name of a port", port_name);
        }
        check_protocol(decoder, field);
        Some(port)
    }
}

/// Whether a number is given that is not 0, right or wrong.
pub(super) fn is_numbered(port: &Field<'_>) -> bool {
    let number = port.child("number");
    number.is_some_and(|number| number.node.scalar().map(Scalar::kind) != Some(Type::Integer(0)))
}

/// Reports listeners of a list whose port another one has.
pub(super) fn check_repeated(decoder: &mut Decoder<'_>, listeners: &[Field<'_>]) {
    let mut seen = HashMap::new();
    for number in listeners.iter().filter_map(|listener| listener.child("port")?.child("number")) {
        let Some(Type::Integer(port @ 1..=65535)) = number.node.scalar().map(Scalar::kind) else { continue };
        if let Some(first) = seen_before(&mut seen, port, number.node.mark.line) {
            let message = format!("port {port} is given twice, first in line {first}");
            decoder.report(code::REPEATED_ITEM, &number, message, "one listener serves a port, whatever it binds");
        }
    }
}

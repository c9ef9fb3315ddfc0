//! Checked fields: from what protobuf can say to what the model allows.

use std::{
    collections::BTreeMap,
    fmt::Display,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
    sync::Arc,
};

use bytes::Bytes;
use prost::Message;
use ripstop_model::{ContainerPort, Labels};

use crate::{DecodeError, ripstop};

/// The resource that is being decoded; makes errors that name it.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) type_url: &'static str,
    pub(crate) resource: &'a str,
}

impl<'a> Context<'a> {
    pub(crate) fn new(type_url: &'static str, resource: &'a str) -> Self {
        Self { type_url, resource }
    }

    /// The whole message. `body` is shared, not copied.
    pub(crate) fn message<M: Message + Default>(&self, body: &Bytes) -> Result<M, DecodeError> {
        M::decode(body.clone()).map_err(|source| DecodeError::Protobuf {
            type_url: self.type_url,
            resource: self.resource.to_owned(),
            source,
        })
    }

    /// The whole message, with nothing in it that is not known here: fields that a newer control plane added
    /// are dropped by reading it, and what is left would say something else.
    pub(crate) fn whole<M: Message + Default>(&self, body: &Bytes) -> Result<M, DecodeError> {
        let message: M = self.message(body)?;
        if message.encoded_len() == body.len() {
            Ok(message)
        } else {
            Err(self.error("", "it has fields that are not known here: is the control plane newer?"))
        }
    }

    pub(crate) fn error(&self, field: impl Into<String>, reason: impl Into<String>) -> DecodeError {
        DecodeError::Field {
            type_url: self.type_url,
            resource: self.resource.to_owned(),
            field: field.into(),
            reason: reason.into(),
        }
    }

    pub(crate) fn name_error(&self, reason: impl Into<String>) -> DecodeError {
        DecodeError::Name { type_url: self.type_url, resource: self.resource.to_owned(), reason: reason.into() }
    }

    /// The resource must be called what its content says.
    pub(crate) fn named(&self, expected: &str) -> Result<(), DecodeError> {
        if self.resource == expected {
            Ok(())
        } else {
            Err(self.name_error(format!("its content is that of {expected:?}: name and content must agree")))
        }
    }

    /// Namespace and name, from the name of the resource.
    pub(crate) fn object_name(&self) -> Result<(Arc<str>, Arc<str>), DecodeError> {
        match self.resource.split_once('/') {
            Some((namespace, rest)) if !namespace.is_empty() && !rest.is_empty() && !rest.contains('/') => {
                Ok((namespace.into(), rest.into()))
            }
            _ => Err(self.name_error("expected <namespace>/<name>")),
        }
    }

    /// A string that must not be empty.
    pub(crate) fn required(&self, field: &str, text: String) -> Result<Arc<str>, DecodeError> {
        if text.is_empty() { Err(self.error(field, "must not be empty")) } else { Ok(text.into()) }
    }

    /// A string in the form of `T`.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&self, field: &str, text: &str) -> Result<T, DecodeError> {
        text.parse().map_err(|error| self.error(field, format!("{text:?}: {error}")))
    }

    /// Strings in the form of `T`.
    pub(crate) fn parsed_all<T: FromStr<Err: Display>>(
        &self,
        field: &str,
        texts: &[String],
    ) -> Result<Vec<T>, DecodeError> {
        texts.iter().enumerate().map(|(i, text)| self.parsed(&format!("{field}[{i}]"), text)).collect()
    }

    /// A port, 1 to 65535.
    pub(crate) fn port(&self, field: &str, number: u32) -> Result<u16, DecodeError> {
        match u16::try_from(number) {
            Ok(port) if port != 0 => Ok(port),
            _ => Err(self.error(field, format!("{number} is not a port: expected 1 to 65535"))),
        }
    }

    /// An IP address in network order, 4 or 16 bytes.
    pub(crate) fn address(&self, field: &str, bytes: &[u8]) -> Result<IpAddr, DecodeError> {
        if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
            Ok(IpAddr::V4(Ipv4Addr::from(v4)))
        } else if let Ok(v6) = <[u8; 16]>::try_from(bytes) {
            Ok(IpAddr::V6(Ipv6Addr::from(v6)))
        } else {
            Err(self.error(field, format!("{} bytes are not an IP address: expected 4 or 16", bytes.len())))
        }
    }

    /// A value of an enumeration.
    pub(crate) fn enumerated<E: TryFrom<i32>>(&self, field: &str, number: i32) -> Result<E, DecodeError> {
        E::try_from(number).map_err(|_| self.error(field, format!("{number} is not a known value")))
    }

    pub(crate) fn container_ports(
        &self,
        field: &str,
        ports: Vec<ripstop::ContainerPort>,
    ) -> Result<Vec<ContainerPort>, DecodeError> {
        ports
            .into_iter()
            .map(|port| Ok(ContainerPort { name: port.name.into(), port: self.port(field, port.port)?, udp: port.udp }))
            .collect()
    }
}

/// An IP address in network order.
pub(crate) fn address_bytes(address: IpAddr) -> Bytes {
    match address {
        IpAddr::V4(v4) => Bytes::copy_from_slice(&v4.octets()),
        IpAddr::V6(v6) => Bytes::copy_from_slice(&v6.octets()),
    }
}

pub(crate) fn labels_to_wire(labels: &Labels) -> BTreeMap<String, String> {
    labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

pub(crate) fn labels_from_wire(labels: BTreeMap<String, String>) -> Labels {
    labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
}

/// As protobuf takes texts.
pub(crate) fn texts(texts: &[Arc<str>]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}

/// As the model keeps texts.
pub(crate) fn shared(texts: Vec<String>) -> Vec<Arc<str>> {
    texts.into_iter().map(Arc::from).collect()
}

/// `text`, or `default` where it is empty.
pub(crate) fn or_default(text: String, default: &Arc<str>) -> Arc<str> {
    if text.is_empty() { default.clone() } else { text.into() }
}

//! Objects as they are looked for, and what they are called.

use std::collections::BTreeMap;

use ripstop_api::{Kind, Object, ObjectId};
use ripstop_model::ObjectName;

use crate::{Declared, Objects};

/// Objects of one kind.
pub(crate) fn of_kind(objects: &Objects, kind: Kind) -> impl Iterator<Item = &Declared> {
    let first = ObjectId { kind, namespace: String::new(), name: String::new() };
    objects.range(first..).take_while(move |(id, _)| id.kind == kind).map(|(_, declared)| declared)
}

/// Namespace and name.
pub(crate) fn name_of(object: &Object) -> ObjectName {
    (object.id.namespace.as_str().into(), object.id.name.as_str().into())
}

/// The id of an object of that kind.
pub(crate) fn id_of(kind: Kind, name: &ObjectName) -> ObjectId {
    ObjectId { kind, namespace: name.0.to_string(), name: name.1.to_string() }
}

/// Labels as the model has them.
pub(crate) fn labels(labels: &BTreeMap<String, String>) -> ripstop_model::Labels {
    labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect()
}

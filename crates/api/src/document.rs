//! One document into objects: what it is, who it is, what it says.

use std::collections::BTreeMap;

use crate::{
    Finding, Kind, Meta, Object, ObjectId, Position, Source, Spec,
    decode::{Decoder, Field, LONGEST_PATH, Record, Spelling, found, quoted},
    enrolment,
    finding::code,
    istio,
    kinds::{self, Known},
    kubernetes, names,
    ripstop::{self, decode::LONGEST_NAME},
    schema, shape,
    tree::{Mark, Node, Value},
};

/// What a document turned out to be.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) objects: Vec<Object>,
    /// Objects with an error, and the line of each.
    pub(crate) broken: Vec<(ObjectId, u32)>,
    pub(crate) unreadable: bool,
    pub(crate) findings: Vec<Finding>,
}

// === impl Outcome ===

impl Outcome {
    fn add_all(&mut self, file: &str, text: &str, items: &[Node]) {
        for item in items {
            self.add(object(file, text, item));
        }
    }

    fn add(&mut self, other: Self) {
        self.objects.extend(other.objects);
        self.broken.extend(other.broken);
        self.unreadable |= other.unreadable;
        self.findings.extend(other.findings);
    }
}

/// Whose namespace an object is in when it names none.
pub(crate) const DEFAULT_NAMESPACE: &str = "default";

/// Whose name an object has when it needs none and names none.
const DEFAULT_NAME: &str = "default";

/// Reads a complete tree of a file whose whole text is `text`.
pub(crate) fn read(file: &str, text: &str, root: &Node) -> Outcome {
    let mut outcome = Outcome::default();
    if root.is_null() {
        return outcome;
    }
    if let Value::Sequence(items) = &root.value
        && !items.is_empty()
        && items.iter().all(|item| item.get("apiVersion").is_some() && item.get("kind").is_some())
    {
        outcome.add_all(file, text, items);
        return outcome;
    }
    let Some(items) = list_items(root) else { return object(file, text, root) };
    let mut decoder = Decoder::new(file, None);
    if shape::repeated_top(&mut decoder, root) {
        outcome.unreadable = true;
    } else if let Value::Sequence(items) = &items.value {
        outcome.add_all(file, text, items);
    } else if !items.is_null() {
        decoder.wrong_type(&Field { node: items, path: "items".into() }, "a list", "");
        outcome.unreadable = true;
    }
    outcome.findings.append(&mut decoder.findings);
    outcome
}

/// `kind`, namespace and name, if they can be read and are spelled as they must be.
pub(crate) fn id(root: &Node) -> Option<ObjectId> {
    id_of(root.get("apiVersion")?, root.get("kind")?, root.get("metadata"))
}

/// The same, from the three values that make it.
pub(crate) fn id_of(api_version: &Node, kind: &Node, metadata: Option<&Node>) -> Option<ObjectId> {
    let (Known::Served(kind) | Known::Version(kind, _)) = kinds::look_up(api_version.text()?, kind.text()?) else {
        return None;
    };
    let get = |name: &str| metadata.and_then(|metadata| metadata.get(name));
    let name = match get("name").filter(|node| !node.is_null()) {
        None if !needs_name(kind) && metadata.is_none_or(|node| node.is_null() || node.mapping().is_some()) => {
            DEFAULT_NAME.to_owned()
        }
        name => name?.text()?.to_owned(),
    };
    let namespace = match get("namespace") {
        _ if !kind.is_namespaced() => String::new(),
        None => DEFAULT_NAMESPACE.to_owned(),
        Some(node) if node.is_null() || node.text() == Some("") => DEFAULT_NAMESPACE.to_owned(),
        Some(node) => node.text()?.to_owned(),
    };
    let valid = check_name(kind, &name).is_ok() && (namespace.is_empty() || namespace_name(&namespace).is_ok());
    valid.then_some(ObjectId { kind, namespace, name })
}

/// Whether an object of this kind must say its name: an `IstioOperator` is a file for the command line.
fn needs_name(kind: Kind) -> bool {
    kind != Kind::IstioOperator
}

/// `items` of a list of objects.
pub(crate) fn list_items(root: &Node) -> Option<&Node> {
    let is_list = root.get("kind").and_then(Node::text).is_some_and(|kind| kind.ends_with("List"));
    root.get("items").filter(|_| is_list)
}

/// The place of each value below `node`, by path.
pub(crate) fn places(node: &Node, path: &str, places: &mut BTreeMap<String, (u32, u32)>) {
    if path.len() > LONGEST_PATH {
        return;
    }
    match &node.value {
        Value::Scalar(_) => {}
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                self::places(item, &path, places);
                places.insert(path, (item.mark.line, item.mark.column));
            }
        }
        Value::Mapping(mapping) => {
            for entry in &mapping.entries {
                let path = crate::decode::join(path, &entry.key.text);
                self::places(&entry.value, &path, places);
                places.insert(path, (entry.value.mark.line, entry.value.mark.column));
            }
        }
    }
}

/// Moves the places at and below `old` to `new`.
fn respell(places: &mut BTreeMap<String, (u32, u32)>, old: &str, new: &str) {
    let below = |path: &str| path.strip_prefix(old).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
    let moved: Vec<_> = places.keys().filter(|path| below(path)).cloned().collect();
    for path in moved {
        if let Some(place) = places.remove(&path) {
            places.insert(format!("{new}{}", &path[old.len()..]), place);
        }
    }
}

/// Reads one object.
fn object(file: &str, text: &str, root: &Node) -> Outcome {
    let mut decoder = Decoder { source: text, ..Decoder::new(file, id(root)) };
    let mut outcome = Outcome::default();
    let whole = Field { node: root, path: String::new() };
    let Some(mapping) = root.mapping() else {
        let message = format!("an object is expected, {} was found", found(root));
        decoder.report(code::FRAGMENT, &whole, message, "an object begins with `apiVersion:` and `kind:`");
        return Outcome { unreadable: true, findings: decoder.findings, ..outcome };
    };
    if let Some(repeated) = shape::repeated_keys(&mut decoder, root) {
        outcome.unreadable = true;
        outcome.broken.extend(repeated.into_iter().map(|id| (id, root.mark.line)));
    }
    if shape::lost_indentation(&mut decoder, mapping) {
        return Outcome { unreadable: true, findings: decoder.findings, ..outcome };
    }
    let Some(kind) = kind(&mut decoder, root, &mut outcome) else {
        outcome.findings = decoder.findings;
        return outcome;
    };
    let Some(mut record) = decoder.record(&whole, Spelling::Exact) else { return outcome };
    record.silent(&["apiVersion", "kind", "status"]);
    let meta = metadata(&mut decoder, kind, &mut record);
    let spec = match kind {
        Kind::Namespace => {
            kubernetes::decode::namespace(&mut record);
            Spec::Namespace
        }
        Kind::ServiceAccount => {
            kubernetes::decode::service_account(&mut decoder, &mut record);
            Spec::ServiceAccount
        }
        Kind::Service => Spec::Service(kubernetes::decode::service(&mut decoder, &mut record)),
        Kind::PeerAuthentication => {
            Spec::PeerAuthentication(istio::decode::peer_authentication(&mut decoder, &mut record))
        }
        Kind::Secret => Spec::Secret(kubernetes::decode::secret(&mut decoder, &mut record)),
        Kind::ConfigMap => Spec::ConfigMap(kubernetes::decode::config_map(&mut decoder, &mut record)),
        Kind::RequestAuthentication => Spec::RequestAuthentication(schema::spec(&mut decoder, &mut record)),
        Kind::AuthorizationPolicy => Spec::AuthorizationPolicy(schema::spec(&mut decoder, &mut record)),
        Kind::VirtualService => Spec::VirtualService(schema::spec(&mut decoder, &mut record)),
        Kind::DestinationRule => Spec::DestinationRule(schema::spec(&mut decoder, &mut record)),
        Kind::Gateway => Spec::Gateway(schema::spec(&mut decoder, &mut record)),
        Kind::ServiceEntry => Spec::ServiceEntry(schema::spec(&mut decoder, &mut record)),
        Kind::WorkloadEntry => Spec::WorkloadEntry(schema::spec(&mut decoder, &mut record)),
        Kind::WorkloadGroup => Spec::WorkloadGroup(schema::spec(&mut decoder, &mut record)),
        Kind::Sidecar => Spec::Sidecar(schema::spec(&mut decoder, &mut record)),
        Kind::ProxyConfig => Spec::ProxyConfig(schema::spec(&mut decoder, &mut record)),
        Kind::Telemetry => Spec::Telemetry(schema::spec(&mut decoder, &mut record)),
        Kind::IstioOperator => Spec::IstioOperator(schema::spec(&mut decoder, &mut record)),
        Kind::Node => Spec::Node(ripstop::decode::node(&mut decoder, &mut record)),
        Kind::Process => Spec::Process(ripstop::decode::process(&mut decoder, &mut record)),
        Kind::Mesh => Spec::Mesh(ripstop::decode::mesh(&mut decoder, &mut record)),
        Kind::TrafficPolicy => Spec::TrafficPolicy(schema::spec(&mut decoder, &mut record)),
    };
    record.finish(&mut decoder);
    let refused = decoder.findings.iter().any(|finding| finding.level == crate::Level::Error);
    match decoder.object {
        Some(id) if !refused => {
            let mut fields = BTreeMap::new();
            places(root, "", &mut fields);
            fields.append(&mut decoder.embedded);
            for (old, new) in &decoder.respelled {
                respell(&mut fields, old, new);
            }
            let Mark { line, column } = root.mark;
            let source = Source { position: Position { file: file.into(), line, column }, fields };
            outcome.objects.push(Object { id, meta, spec, source });
        }
        Some(id) => outcome.broken.push((id, root.mark.line)),
        None => outcome.unreadable = true,
    }
    outcome.findings = decoder.findings;
    outcome
}

/// Reads `apiVersion` and `kind`; nothing if there is no more to read.
fn kind(decoder: &mut Decoder<'_>, root: &Node, outcome: &mut Outcome) -> Option<Kind> {
    let get = |name: &str| {
        let node = root.get(name).filter(|node| !node.is_null())?;
        Some(Field { node, path: name.to_owned() })
    };
    let (version, kind) = match (get("apiVersion"), get("kind")) {
        (Some(version), Some(kind)) => (version, kind),
        (version, kind) => {
            let (lacks, add) = match (version, kind) {
                (None, None) => ("neither `apiVersion` nor `kind`", "add both"),
                (None, _) => ("no `apiVersion`", "add it"),
                _ => ("no `kind`", "add it"),
            };
            let hint = format!("{add}; if this is the rest of the document above, remove the `---` between them");
            decoder.report_at(code::FRAGMENT, "", root.mark, format!("this document has {lacks}"), hint);
            outcome.unreadable = true;
            return None;
        }
    };
    let (Some(version_text), Some(kind_text)) = (decoder.text(&version), decoder.text(&kind)) else {
        outcome.unreadable = true;
        return None;
    };
    let (group, version_name) = kinds::split_version(version_text);
    let shown_group = if group.is_empty() { "the core group".into() } else { quoted(group) };
    match kinds::look_up(version_text, kind_text) {
        Known::Served(kind) => Some(kind),
        Known::Version(_, served) => {
            let message = format!("{} of {shown_group} has no version {}", quoted(kind_text), quoted(version_name));
            decoder.report(code::UNKNOWN_VERSION, &version, message, format!("write `{}`", served.api_version()));
            match &decoder.object {
                Some(id) => outcome.broken.push((id.clone(), root.mark.line)),
                None => outcome.unreadable = true,
            }
            None
        }
        Known::Elsewhere => {
            let name = root.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Node::text);
            let named = name.map_or(String::new(), |name| format!(" {}", quoted(name)));
            let message =
                format!("{}{named} of {shown_group} is known but not served, it has no effect", quoted(kind_text));
            decoder.report(code::NOT_SERVED, &kind, message, instead(kind_text));
            None
        }
        Known::Unknown { near } => {
            let hint = match near {
                Some(near) if near.name == kind_text => format!("write `apiVersion: {}`", near.api_version()),
                Some(near) => format!("did you mean `{}`?", near.name),
                None => String::new(),
            };
            outcome.unreadable = near.is_some();
            let message = format!("the kind {} of {shown_group} is unknown", quoted(kind_text));
            decoder.report(code::UNKNOWN_KIND, &kind, message, hint);
            None
        }
    }
}

/// What says the same here as an object of a kind that is not served.
fn instead(kind: &str) -> &'static str {
    match kind {
        "Pod" | "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job" | "CronJob" => {
            "what runs is declared as a `Process` of ripstop.dev/v1alpha1"
        }
        "Ingress" | "HTTPRoute" | "GRPCRoute" | "TLSRoute" | "TCPRoute" => {
            "write a `VirtualService` of networking.istio.io/v1, and a `Gateway` for what comes from outside"
        }
        _ => "",
    }
}

/// Metadata that the API server writes.
const SERVER_MANAGED: [&str; 10] = [
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

fn metadata(decoder: &mut Decoder<'_>, kind: Kind, root: &mut Record<'_>) -> Meta {
    let mut meta = Meta::default();
    let Some(mut metadata) = root.record(decoder, "metadata") else {
        if root.field.node.get("metadata").is_none_or(Node::is_null) && needs_name(kind) {
            decoder.missing(root, "metadata", "an object needs at least `metadata.name`");
        }
        return meta;
    };
    match metadata.get(decoder, "name") {
        Some(field) => name(decoder, kind, &field),
        None if !needs_name(kind) => {}
        None => decoder.missing(&metadata, "name", ""),
    }
    if let Some(field) = metadata.get(decoder, "namespace") {
        namespace(decoder, kind, &field);
    }
    if let Some(field) = metadata.structure(decoder, "labels") {
        meta.labels = decoder.labels(&field, "a label", names::label_value);
    }
    if let Some(field) = metadata.structure(decoder, "annotations") {
        meta.annotations = decoder.labels(&field, "an annotation", |_| Ok(()));
        let bytes: usize = meta.annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > ANNOTATIONS {
            let message = format!("the annotations have {bytes} bytes, at most {ANNOTATIONS} are allowed");
            decoder.report(code::OUT_OF_RANGE, &field, message, "");
        }
    }
    if enrolment::acts_on(kind) {
        enrolling(decoder, &metadata, &meta);
    }
    metadata.silent(&SERVER_MANAGED);
    metadata
        .finish_with_hint(decoder, |name| (name == "generateName").then_some("names are not generated: write `name`"));
    meta
}

/// Who is in the mesh must not change by a typing error: a value that is not known is refused.
fn enrolling(decoder: &mut Decoder<'_>, metadata: &Record<'_>, meta: &Meta) {
    for (key, value) in enrolment::unknown(meta) {
        let map = key.place.as_str();
        let Some(node) = metadata.field.node.get(map).and_then(|map| map.get(key.name)) else { continue };
        let path = format!("{}.{map}.{}", metadata.field.path, key.name);
        decoder.bad_enum(&Field { node, path }, value, key.values());
    }
}

/// Most bytes of an object's annotations, as in Kubernetes.
const ANNOTATIONS: usize = 256 << 10;

fn name(decoder: &mut Decoder<'_>, kind: Kind, field: &Field<'_>) {
    let what = match kind {
        Kind::Namespace | Kind::Service | Kind::Gateway | Kind::Mesh => "a DNS label".to_owned(),
        Kind::Node | Kind::Process => format!("a DNS label of at most {LONGEST_NAME} characters"),
        _ => "a DNS name".to_owned(),
    };
    let name = decoder.name(field, &what, |text| check_name(kind, text));
    if kind == Kind::Mesh && name.is_some_and(|name| name != MESH) {
        let message = format!("the mesh is named `{MESH}`, {} was found", found(field.node));
        decoder.report(code::BAD_NAME, field, message, format!("write `{MESH}`"));
    }
}

/// The only name of a `Mesh`.
const MESH: &str = "default";

fn check_name(kind: Kind, text: &str) -> Result<(), String> {
    match kind {
        Kind::Node | Kind::Process => names::dns_label(text, LONGEST_NAME),
        Kind::Namespace | Kind::Service | Kind::Gateway | Kind::Mesh => names::dns_label(text, names::LABEL),
        _ => names::dns_name(text),
    }
}

fn namespace(decoder: &mut Decoder<'_>, kind: Kind, field: &Field<'_>) {
    if !kind.is_namespaced() {
        let message = format!("a {kind} lives in no namespace");
        decoder.report(code::NAMESPACE_NOT_ALLOWED, field, message, "remove `namespace`");
    } else if field.node.text() != Some("") {
        decoder.name(field, "a DNS label", namespace_name);
    }
}

fn namespace_name(text: &str) -> Result<(), String> {
    names::dns_label(text, names::LABEL)
}

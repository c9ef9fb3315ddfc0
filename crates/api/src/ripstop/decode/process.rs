//! `Process` from the tree.

use std::{collections::HashMap, ops::RangeInclusive, time::Duration};

use crate::{
    decode::{Decoder, Field, Record, Spelling, last, quoted},
    embedded,
    finding::code,
    istio::GatewayTopology,
    kubernetes::{IntOrName, decode as kubernetes},
    names,
    quantity::Quantity,
    ripstop::{
        AllowedRoutes, ContainerPort, Faces, Limits, Probe, ProbeAction, Process, ProcessRole, RestartPolicy,
        ServedNamespaces,
    },
    schema::Decode as _,
    tree::{Node, Scalar, Type},
};

/// Longest name of a `Process` or `Node`: room for an ordinal in a DNS label.
pub(crate) const LONGEST_NAME: usize = 50;

/// Most replicas.
const REPLICAS: i64 = 1000;

/// Pod and container fields that nothing here acts on.
const NOT_ACTED_ON: [&str; 30] = [
    "activeDeadlineSeconds",
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "envFrom",
    "hostAliases",
    "hostNetwork",
    "hostname",
    "image",
    "imagePullPolicy",
    "imagePullSecrets",
    "lifecycle",
    "livenessProbe",
    "nodeSelector",
    "priorityClassName",
    "schedulerName",
    "startupProbe",
    "stdin",
    "subdomain",
    "terminationGracePeriodSeconds",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tolerations",
    "topologySpreadConstraints",
    "tty",
    "volumeMounts",
    "volumes",
    "workingDir",
];

/// Annotation of a `Process` with settings of its own proxy.
const PROXY_CONFIG: &str = "proxy.istio.io/config";

/// What a gateway's annotation says of what stands before it: whom it believes hangs on that, so that it must be valid,
/// whatever else the annotation says.
fn topology(decoder: &mut Decoder<'_>, root: &Record<'_>) -> Option<GatewayTopology> {
    let node = root.field.node.get("metadata")?.get("annotations")?.get(PROXY_CONFIG)?;
    node.text()?;
    let field = Field { node, path: format!("metadata.annotations.{PROXY_CONFIG}") };
    let config = embedded::read(decoder, &field)?;
    let config = Field { node: &config, path: field.path };
    if config.node.mapping().is_none() {
        decoder.wrong_type(&config, "settings of a proxy", "");
    }
    GatewayTopology::decode(decoder, &config.child("gatewayTopology")?)
}

/// `spec` of a `Process`.
pub(crate) fn process(decoder: &mut Decoder<'_>, root: &mut Record<'_>) -> Process {
    let mut process = Process {
        role: ProcessRole::Command,
        faces: Faces::Outside,
        node: None,
        replicas: 1,
        service_account: "default".into(),
        command: Vec::new(),
        args: Vec::new(),
        env: Vec::new(),
        ports: Vec::new(),
        readiness: None,
        restart: RestartPolicy::default(),
        limits: Limits::default(),
        run_as_user: 65534,
        served: ServedNamespaces::default(),
        gateway_topology: None,
    };
    let Some(mut spec) = root.record(decoder, "spec") else {
        if root.field.node.get("spec").is_none_or(Node::is_null) {
            decoder.missing(root, "spec", "a Process needs at least `spec.command`");
        }
        return process;
    };
    if let Some(field) = spec.get(decoder, "node") {
        let label = |text: &str| names::dns_label(text, LONGEST_NAME);
        process.node = decoder.name(&field, "the name of a node", label).map(str::to_owned);
    }
    if let Some(field) = spec.get(decoder, "replicas") {
        process.replicas = number(decoder, &field, 0..=REPLICAS).unwrap_or(1);
    }
    let account = service_account(decoder, &mut spec);
    if let Some(field) = spec.get(decoder, "role") {
        let roles = [
            ("gateway", (ProcessRole::Gateway, Faces::Outside)),
            ("egress", (ProcessRole::Gateway, Faces::Mesh)),
            ("waypoint", (ProcessRole::Waypoint, Faces::Outside)),
        ];
        (process.role, process.faces) = decoder.one_of(&field, &roles).unwrap_or_default();
    }
    process.service_account = account.unwrap_or_else(|| {
        match process.role {
            // Whoever had the same could pass for it.
            ProcessRole::Waypoint => {
                root.field.node.get("metadata").and_then(|meta| meta.get("name")).and_then(Node::text)
            }
            ProcessRole::Command | ProcessRole::Gateway => None,
        }
        .unwrap_or("default")
        .to_owned()
    });
    if let Some(field) = spec.structure(decoder, "allowedRoutes") {
        process.served = AllowedRoutes::decode(decoder, &field).unwrap_or_default().namespaces;
        if process.role != ProcessRole::Waypoint {
            let message = "`allowedRoutes` has no effect: it is a waypoint that serves namespaces";
            decoder.report(code::NOT_ACTED_ON, &field, message, "remove it");
        }
    }
    match process.role {
        ProcessRole::Command => process.command = command(decoder, &mut spec),
        ProcessRole::Gateway => {
            not_for_proxies(decoder, &mut spec, "gateway");
            process.gateway_topology = topology(decoder, root);
        }
        ProcessRole::Waypoint => not_for_proxies(decoder, &mut spec, "waypoint"),
    }
    if let Some(field) = spec.structure(decoder, "args") {
        process.args = decoder.texts(&field);
    }
    if let Some(field) = spec.structure(decoder, "env") {
        process.env = env(decoder, &field);
    }
    if let Some(field) = spec.structure(decoder, "ports") {
        process.ports = ports(decoder, &field);
    }
    if let Some(field) = spec.structure(decoder, "readinessProbe") {
        process.readiness = probe(decoder, &field, &process.ports);
    }
    if let Some(field) = spec.get(decoder, "restartPolicy") {
        let policies = [
            ("Always", RestartPolicy::Always),
            ("OnFailure", RestartPolicy::OnFailure),
            ("Never", RestartPolicy::Never),
        ];
        process.restart = decoder.one_of(&field, &policies).unwrap_or_default();
    }
    if let Some(mut resources) = spec.record(decoder, "resources") {
        if let Some(limits) = resources.record(decoder, "limits") {
            process.limits = self::limits(decoder, limits);
        }
        resources.not_acted_on(decoder, &["requests", "claims"]);
        resources.finish(decoder);
    }
    if let Some(field) = spec.get(decoder, "runAsUser") {
        process.run_as_user = user(decoder, &field).unwrap_or(process.run_as_user);
    }
    spec.not_acted_on(decoder, &NOT_ACTED_ON);
    spec.finish_with_hint(decoder, |name| match name {
        "containers" | "initContainers" | "template" => Some("a Process is one process: write `command` in its `spec`"),
        "nodeName" => Some("write `node`"),
        "securityContext" => Some("write `runAsUser` in `spec`"),
        _ => None,
    });
    process
}

fn number(decoder: &mut Decoder<'_>, field: &Field<'_>, range: RangeInclusive<i64>) -> Option<u32> {
    decoder.integer(field, range).and_then(|n| u32::try_from(n).ok())
}

/// `serviceAccountName`, or `serviceAccount` as Pods once spelled it.
fn service_account(decoder: &mut Decoder<'_>, spec: &mut Record<'_>) -> Option<String> {
    let present = spec.get(decoder, "serviceAccountName");
    let old = spec.get(decoder, "serviceAccount");
    if let Some(old) = &old {
        let message = "`serviceAccount` is an older spelling";
        decoder.report(code::OLD_SPELLING, old, message, "write `serviceAccountName`");
    }
    let names =
        (present.as_ref().and_then(|field| field.node.text()), old.as_ref().and_then(|field| field.node.text()));
    if let ((Some(new), Some(old_name)), Some(field)) = (names, &old)
        && new != old_name
    {
        let message = format!("`serviceAccount` is {}, but `serviceAccountName` is {}", quoted(old_name), quoted(new));
        decoder.report(code::CONFLICT, field, message, "remove `serviceAccount`");
    }
    let field = present.or(old)?;
    decoder.name(&field, "the name of a service account", names::dns_name).map(str::to_owned)
}

/// Fields that say what runs and what it serves: of a proxy of the mesh, that is known.
fn not_for_proxies(decoder: &mut Decoder<'_>, spec: &mut Record<'_>, role: &str) {
    for name in ["command", "args", "env", "ports", "readinessProbe", "runAsUser"] {
        if let Some(field) = spec.get(decoder, name) {
            let message = format!("`{name}` has no effect: a {role} runs and serves what the mesh says");
            decoder.report(code::NOT_ACTED_ON, &field, message, "remove it, or remove `role`");
        }
    }
}

fn command(decoder: &mut Decoder<'_>, spec: &mut Record<'_>) -> Vec<String> {
    let Some(field) = spec.structure(decoder, "command") else {
        decoder.missing(spec, "command", "write the executable and its arguments as a list");
        return Vec::new();
    };
    if let Some(text) = field.node.text() {
        let words = text.split_whitespace().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
        decoder.wrong_type(&field, "a list", format!("write `[{words}]`"));
        return Vec::new();
    }
    let command = decoder.texts(&field);
    if command.first().is_some_and(String::is_empty) || field.is_empty_list() {
        decoder.report(code::MISSING, &field, "`command` is empty", "its first item is the executable");
    }
    command
}

fn env(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Vec<(String, String)> {
    let mut env = Vec::new();
    let mut lines = HashMap::new();
    for item in decoder.items(field) {
        let Some(mut record) = decoder.record(&item, Spelling::Exact) else { continue };
        let name_field = record.require(decoder, "name");
        let name = name_field
            .as_ref()
            .and_then(|field| decoder.name(field, "the name of an environment variable", names::env_name));
        let value_field = record.get(decoder, "value");
        let value = value_field.as_ref().map(|field| decoder.text(field));
        let source = record.structure(decoder, "valueFrom");
        record.finish(decoder);
        match (&value_field, &source) {
            (Some(_), Some(source)) => {
                let message = "`value` and `valueFrom` exclude each other";
                decoder.report(code::CONFLICT, source, message, "remove one of them");
            }
            (None, Some(source)) => decoder.not_acted_on(source, "the variable stays unset: write `value`"),
            _ => {}
        }
        let (Some(name), Some(name_field)) = (name, name_field) else { continue };
        let line = name_field.node.mark.line;
        if let Some(first) = lines.insert(name, line) {
            let message = format!("the variable {} is given twice, first in line {first}", quoted(name));
            decoder.report(code::REPEATED_ITEM, &name_field, message, "remove one of them");
            lines.insert(name, first);
        }
        match value {
            Some(Some(text)) if text.contains('\0') => {
                let field = value_field.unwrap_or(name_field);
                decoder.report(code::UNSUPPORTED_VALUE, &field, "the value holds a NUL character", "");
            }
            Some(Some(text)) => env.push((name.to_owned(), text.to_owned())),
            None if source.is_none() => env.push((name.to_owned(), String::new())),
            _ => {}
        }
    }
    env
}

fn ports(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Vec<ContainerPort> {
    let items = decoder.items(field);
    let ports: Vec<_> = items.into_iter().filter_map(|item| port(decoder, &item).map(|port| (item, port))).collect();
    let listed = ports.iter().map(|(at, port)| (at, port.name.as_str(), port.port, port.protocol));
    kubernetes::check_repeated(decoder, listed, "containerPort");
    ports.into_iter().map(|(_, port)| port).collect()
}

fn port(decoder: &mut Decoder<'_>, item: &Field<'_>) -> Option<ContainerPort> {
    let mut record = decoder.record(item, Spelling::Exact)?;
    let name = record.get(decoder, "name");
    let name = name.and_then(|field| decoder.name(&field, "the name of a port", names::port_name));
    let port = record.require(decoder, "containerPort").and_then(|field| decoder.port(&field));
    let protocol = kubernetes::transport(decoder, &mut record);
    record.not_acted_on(decoder, &["hostPort", "hostIP"]);
    record.finish(decoder);
    Some(ContainerPort { name: name.unwrap_or_default().to_owned(), port: port?, protocol: protocol? })
}

fn probe(decoder: &mut Decoder<'_>, field: &Field<'_>, ports: &[ContainerPort]) -> Option<Probe> {
    let mut record = decoder.record(field, Spelling::Exact)?;
    let http = record.structure(decoder, "httpGet");
    let tcp = record.structure(decoder, "tcpSocket");
    let exec = record.structure(decoder, "exec");
    let grpc = record.structure(decoder, "grpc");
    if let Some(grpc) = &grpc {
        decoder.report(code::UNSUPPORTED_VALUE, grpc, "`grpc` probes are not supported", "write `tcpSocket`");
    }
    let given = [&http, &tcp, &exec, &grpc].into_iter().flatten().count();
    if given == 0 {
        let hint = "write `httpGet`, `tcpSocket` or `exec`";
        decoder.report(code::MISSING, field, format!("`{}` has no action", last(&field.path)), hint);
    } else if given > 1 {
        let message = format!("`{}` has {given} actions", last(&field.path));
        decoder.report(code::CONFLICT, field, message, "keep one of `httpGet`, `tcpSocket` and `exec`");
    }
    let mut duration = |decoder: &mut Decoder<'_>, name, least, default: u64| {
        let read = record.get(decoder, name).and_then(|field| seconds(decoder, &field, least));
        Duration::from_secs(read.unwrap_or(default))
    };
    let initial_delay = duration(decoder, "initialDelaySeconds", 0, 0);
    let period = duration(decoder, "periodSeconds", 1, 10);
    let timeout = duration(decoder, "timeoutSeconds", 1, 1);
    let mut threshold = |decoder: &mut Decoder<'_>, name, default| {
        let read = record.get(decoder, name).and_then(|field| number(decoder, &field, 1..=1000));
        read.unwrap_or(default)
    };
    let success_threshold = threshold(decoder, "successThreshold", 1);
    let failure_threshold = threshold(decoder, "failureThreshold", 3);
    record.not_acted_on(decoder, &["terminationGracePeriodSeconds"]);
    record.finish(decoder);
    let http = http.map(|field| http_get(decoder, &field, ports));
    let tcp = tcp.map(|field| tcp_socket(decoder, &field, ports));
    let exec = exec.map(|field| exec_action(decoder, &field));
    let action = http.or(tcp).or(exec).flatten()?;
    Some(Probe { action, initial_delay, period, timeout, success_threshold, failure_threshold })
}

/// Whole seconds, as Kubernetes writes them.
fn seconds(decoder: &mut Decoder<'_>, field: &Field<'_>, least: i64) -> Option<u64> {
    if let Some(scalar) = field.node.scalar()
        && !matches!(scalar.kind(), Type::Integer(_))
    {
        let hint = scalar.text.strip_suffix('s').filter(|text| matches!(Type::of(text), Type::Integer(_)));
        let message = format!("{} is not a whole number of seconds", quoted(&scalar.text));
        let hint = hint.map_or("write a number without unit".into(), |text| format!("write `{text}`"));
        decoder.report(code::BAD_DURATION, field, message, hint);
        return None;
    }
    decoder.integer(field, least..=86_400).and_then(|n| u64::try_from(n).ok())
}

fn http_get(decoder: &mut Decoder<'_>, field: &Field<'_>, ports: &[ContainerPort]) -> Option<ProbeAction> {
    let mut record = decoder.record(field, Spelling::Exact)?;
    let mut path = "/".to_owned();
    if let Some(field) = record.get(decoder, "path")
        && let Some(text) = decoder.nonempty(&field)
    {
        path = if text.starts_with('/') { text.to_owned() } else { format!("/{text}") };
        if let Some(c) = text.chars().find(|c| c.is_control() || c.is_whitespace() || !c.is_ascii()) {
            let message = format!("`{}` is not allowed in a path", c.escape_debug());
            decoder.report(code::UNSUPPORTED_VALUE, &field, message, "write it as `%XX`");
        }
    }
    let port = record.require(decoder, "port").and_then(|field| probe_port(decoder, &field, ports));
    let host = record.get(decoder, "host").and_then(|field| decoder.address(&field));
    if let Some(field) = record.get(decoder, "scheme")
        && decoder.one_of(&field, &[("HTTP", false), ("HTTPS", true)]) == Some(true)
    {
        decoder.report(code::UNSUPPORTED_VALUE, &field, "`HTTPS` probes are not supported", "write `tcpSocket`");
    }
    record.not_acted_on(decoder, &["httpHeaders"]);
    record.finish(decoder);
    Some(ProbeAction::HttpGet { path, port: port?, host })
}

fn tcp_socket(decoder: &mut Decoder<'_>, field: &Field<'_>, ports: &[ContainerPort]) -> Option<ProbeAction> {
    let mut record = decoder.record(field, Spelling::Exact)?;
    let port = record.require(decoder, "port").and_then(|field| probe_port(decoder, &field, ports));
    record.not_acted_on(decoder, &["host"]);
    record.finish(decoder);
    Some(ProbeAction::TcpSocket { port: port? })
}

fn exec_action(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<ProbeAction> {
    let mut record = decoder.record(field, Spelling::Exact)?;
    let command = command(decoder, &mut record);
    record.finish(decoder);
    (!command.is_empty()).then_some(ProbeAction::Exec { command })
}

/// A name must be one of the process's ports.
fn probe_port(decoder: &mut Decoder<'_>, field: &Field<'_>, ports: &[ContainerPort]) -> Option<IntOrName> {
    let port = kubernetes::int_or_name(decoder, field)?;
    if let IntOrName::Name(name) = &port
        && !ports.iter().any(|port| port.name == *name)
    {
        let near = names::nearest(name, ports.iter().map(|port| port.name.as_str()));
        let hint = near.map_or("declare it in `spec.ports`".into(), |near| format!("did you mean `{near}`?"));
        decoder.report(code::UNKNOWN_PORT, field, format!("no port is named {}", quoted(name)), hint);
    }
    Some(port)
}

fn limits(decoder: &mut Decoder<'_>, mut record: Record<'_>) -> Limits {
    let mut limits = Limits::default();
    if let Some(field) = record.get(decoder, "memory")
        && let Some(quantity) = quantity(decoder, &field)
    {
        limits.memory_bytes = quantity.whole().filter(|bytes| *bytes > 0);
        if limits.memory_bytes.is_none() {
            let text = field.node.scalar().map_or("", |scalar| scalar.text.as_str());
            let meant = text.strip_suffix('m').map(|number| format!("did you mean `{number}Mi`?"));
            let message = format!("{} is not a whole number of bytes above 0", quoted(text));
            decoder.report(code::BAD_QUANTITY, &field, message, meant.unwrap_or_default());
        }
    }
    if let Some(field) = record.get(decoder, "cpu")
        && let Some(quantity) = quantity(decoder, &field)
    {
        limits.cpu_millis = quantity.millis().filter(|millis| *millis > 0);
        if limits.cpu_millis.is_none() {
            let text = field.node.scalar().map_or("", |scalar| scalar.text.as_str());
            let message = format!("{} is not a number of cores above 0", quoted(text));
            decoder.report(code::BAD_QUANTITY, &field, message, "write cores (`0.5`) or thousandths (`500m`)");
        }
    }
    record.not_acted_on(decoder, &["ephemeral-storage"]);
    record.finish(decoder);
    limits
}

fn quantity(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Quantity> {
    let Some(scalar) = field.node.scalar().filter(|scalar| !matches!(scalar.kind(), Type::Bool(_))) else {
        decoder.wrong_type(field, "a quantity", "");
        return None;
    };
    let quantity = Quantity::parse(&scalar.text);
    if quantity.is_none() {
        let message = format!("{} is not a quantity", quoted(&scalar.text));
        let meant = scalar.text.strip_suffix(['B', 'b']).filter(|text| Quantity::parse(text).is_some());
        let hint =
            meant.map_or("for example `128Mi`, `500m` or `0.5`".into(), |text| format!("write {}", quoted(text)));
        decoder.report(code::BAD_QUANTITY, field, message, hint);
    }
    quantity
}

fn user(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<u32> {
    if matches!(field.node.scalar().map(Scalar::kind), Some(Type::Integer(0))) {
        let hint = "leave it out to run as 65534, or name a user above 0";
        decoder.report(code::ROOT_USER, field, "a process may not run as user 0", hint);
        return None;
    }
    number(decoder, field, 1..=2_147_483_647)
}

//! Places that the mesh does not know: those that may be outside of it, and those that nobody can have.

use ripstop_decide::Program;
use ripstop_model::{Service, Workload};

use crate::{World, course::Detail, parties::Destination};

/// Something that was called and that the mesh does not know.
pub(crate) struct Unknown {
    /// In a sentence, if such calls are let through.
    pub(crate) told: String,
    /// Whether it may well be outside of the mesh.
    pub(crate) leaves: bool,
    /// What was probably meant: `host:port`.
    pub(crate) instead: Vec<String>,
}

/// Top-level domains that make a name of two labels a public one, besides those of two letters.
const PUBLIC: [&str; 12] = ["com", "org", "net", "edu", "gov", "mil", "info", "biz", "dev", "app", "cloud", "arpa"];

// === impl Unknown ===

impl Unknown {
    /// What is to be said of a place that is called by a workload of `namespace`; `host` is its whole name.
    pub(crate) fn of(
        world: &World,
        destination: &Destination,
        host: Option<&str>,
        namespace: &str,
        detail: Detail,
    ) -> Self {
        let program = &world.program;
        let port = destination.port;
        let service = host
            .and_then(|host| program.services_named(host).next())
            .or_else(|| destination.address.and_then(|address| program.service_at(address)));
        if let Some(service) = service {
            return Self::of_service(service, &destination.written, port);
        }
        // A host that is its address says no more.
        let named = host.filter(|host| host.parse::<std::net::IpAddr>().is_err());
        if let (None, Some(workload)) = (named, destination.address.and_then(|address| program.workload_at(address))) {
            return Self::of_workload(program, workload, namespace, port);
        }
        let Some(host) = host else {
            let address = destination.address.map(|address| address.to_string()).unwrap_or_default();
            let told = format!("nobody in the mesh has the address {address}: it leaves the mesh as it is (ALLOW_ANY)");
            return Self { told, leaves: true, instead: Vec::new() };
        };
        if let Some(entry) = program.entries_of(host).next() {
            let ports: Vec<String> = entry.ports.iter().map(|declared| declared.port.to_string()).collect();
            let told = format!(
                "{} declares {} with port {} only: as something that is not declared it leaves the mesh (ALLOW_ANY)",
                world.place(&entry.id),
                entry.host,
                ports.join(", ")
            );
            return Self { told, leaves: true, instead: Vec::new() };
        }
        let near = (detail == Detail::Whole).then(|| near(program, &destination.written, namespace)).flatten();
        let Some(why) = impossible(program, host, &destination.written) else {
            let told = format!(
                "the mesh does not know {host}: it leaves the mesh as it is (ALLOW_ANY); whether there is such a host depends on the public DNS"
            );
            return Self {
                told,
                leaves: true,
                instead: near.map(|near| format!("{near}:{port}")).into_iter().collect(),
            };
        };
        let hint = near.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        let told = format!("{why}{hint}");
        Self { told, leaves: false, instead: near.map(|near| format!("{near}:{port}")).into_iter().collect() }
    }

    /// A workload's own address, which nobody declares.
    fn of_workload(program: &Program, workload: &Workload, namespace: &str, port: u16) -> Self {
        let services = workload.services.iter().flat_map(|(key, ports)| {
            let at_port = ports.iter().filter(move |mapping| mapping.target_port == port);
            at_port.filter_map(move |mapping| Some((program.service(key)?, mapping.service_port)))
        });
        let short = |service: &Service| match &*service.key.namespace {
            own if own == namespace => service.name.to_string(),
            other => format!("{}.{other}", service.name),
        };
        let instead: Vec<String> = services.map(|(service, port)| format!("{}:{port}", short(service))).collect();
        let hint = instead.first().map(|service| format!("; call its service {service}")).unwrap_or_default();
        let told = format!(
            "that is the address of workload {}/{} itself, which nobody declares, and the caller may call only what is \
             declared (REGISTRY_ONLY){hint}",
            workload.namespace, workload.name
        );
        Self { told, leaves: false, instead }
    }

    /// Something in the caller's own network.
    pub(crate) fn inside(destination: &Destination, caller: &str) -> Self {
        let told = format!(
            "{} is the loopback of {caller}'s own network: nothing is captured there, and the mesh has no say",
            destination.written
        );
        Self { told, leaves: true, instead: Vec::new() }
    }

    fn of_service(service: &Service, written: &str, port: u16) -> Self {
        if service.ports.iter().any(|declared| declared.port == port) {
            let told =
                format!("the caller does not see {} (exportTo, or a Sidecar): to it, it is unknown", service.key);
            return Self { told, leaves: true, instead: Vec::new() };
        }
        let declared: Vec<String> = service
            .ports
            .iter()
            .map(|declared| match &*declared.name {
                "" => declared.port.to_string(),
                name => format!("{} ({name})", declared.port),
            })
            .collect();
        let ports = if declared.is_empty() { "none".into() } else { declared.join(", ") };
        let told = format!("{} has no port {port}; its ports are: {ports}", service.key);
        let instead = service.ports.iter().map(|declared| format!("{written}:{}", declared.port)).collect();
        Self { told, leaves: false, instead }
    }
}

/// Why no resolver finds a host outside of the mesh; nothing: it may.
fn impossible(program: &Program, host: &str, written: &str) -> Option<String> {
    let domain = &*program.mesh().service_domain;
    let cluster = domain.strip_prefix("svc.").unwrap_or(domain);
    let written = written.trim_end_matches('.').to_ascii_lowercase();
    let labels: Vec<&str> = written.split('.').collect();
    let below = |name: &str, parent: &str| name == parent || name.ends_with(&format!(".{parent}"));
    let of_services = || Some(format!("no service has the name {written}"));
    if below(host, domain) || below(host, cluster) || below(&written, "svc") || labels.len() == 1 {
        return of_services();
    }
    let [name, last] = labels[..] else { return None };
    if program.services().any(|service| *service.key.namespace == *last) {
        return Some(format!("namespace {last} has no service {name}"));
    }
    let is_public = last.len() == 2 || PUBLIC.contains(&last);
    let is_service = program.services().any(|service| *service.name == *name);
    if is_service && !is_public {
        return Some(format!("there is no namespace {last} with a service {name}"));
    }
    None
}

/// The name that is most like `written`, as somebody in `namespace` would write it.
fn near(program: &Program, written: &str, namespace: &str) -> Option<String> {
    let written = written.trim_end_matches('.').to_ascii_lowercase();
    let first = written.split('.').next().unwrap_or_default();
    let mut found: Vec<(usize, String)> = Vec::new();
    for service in program.services() {
        let (name, of) = (&*service.name, &*service.key.namespace);
        let short = if *of == *namespace { name.to_owned() } else { format!("{name}.{of}") };
        let forms = [name.to_owned(), format!("{name}.{of}"), service.key.hostname.to_string()];
        let by_form = forms.iter().map(|form| distance(&written, form)).min().unwrap_or(usize::MAX);
        // The name fits, and it is of another namespace.
        let by_name = if first == name { 1 } else { usize::MAX };
        found.push((by_form.min(by_name), short));
    }
    for entry in program.traffic().entries.values().flat_map(|entries| entries.iter()) {
        if let Some(host) = entry.host.exact() {
            found.push((distance(&written, host), host.to_string()));
        }
    }
    let most = (written.len() / 3).clamp(1, 3);
    found.into_iter().filter(|(distance, _)| *distance <= most).min().map(|(_, name)| name)
}

/// How many letters must be changed, added or removed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

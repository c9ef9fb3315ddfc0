//! The codes of findings about objects that do not fit together.

use ripstop_api::{Finding, Level, Object, Position, finding::Code};

use crate::analyze;

/// Every code that compiling can raise.
pub const CODES: &[Code] = &ALL;

const ALL: [Code; count(analyze::CODES)] = all(analyze::CODES);

/// Codes that no rule of [`analyze`] has for itself.
const OWN: &[Code] = &[
    NOT_FOUND,
    SEVERAL_POLICIES,
    UNKNOWN_NODE,
    SELECTS_NOTHING,
    UNKNOWN_PORT_NAME,
    BAD_BLOCK,
    SEVERAL_MESHES,
    UNDECLARED_ACCOUNT,
    REPEATED_PORT,
    UNKNOWN_ENROLMENT,
    CLUSTER_IP_REFUSED,
    NO_ADDRESS_LEFT,
    UDP_PORT,
    ROOT_SELECTOR,
    SAME_SELECTOR,
    BAD_MESH_SETTING,
    UNKNOWN_PROBE_PORT,
    UNKNOWN_TUNNEL,
    MESH_CONFIG_IGNORED,
];

/// Istio's code for whatever names what is not there.
pub(crate) const NOT_FOUND: Code = error("IST0101", "something is named that does not exist");
pub(crate) const SEVERAL_POLICIES: Code = warning(
    "RS13",
    "several PeerAuthentications or Telemetries without selector in one namespace: only the oldest acts",
);
pub(crate) const UNKNOWN_NODE: Code = error("RS201", "a Process names a node that is not declared");
pub(crate) const SELECTS_NOTHING: Code = info("RS202", "a Service selects nothing");
pub(crate) const UNKNOWN_PORT_NAME: Code = warning("RS203", "a Service leads to a port that none of its workloads has");
pub(crate) const BAD_BLOCK: Code =
    error("RS204", "a node's block of addresses overlaps another's or one that the mesh itself needs");
pub(crate) const SEVERAL_MESHES: Code = warning("RS205", "there are several Mesh objects: only one acts");
pub(crate) const UNDECLARED_ACCOUNT: Code =
    info("RS206", "a Process uses a service account that is not declared, though others of its namespace are");
pub(crate) const REPEATED_PORT: Code = warning("RS207", "a Service has a port twice: only the first acts");
pub(crate) const UNKNOWN_ENROLMENT: Code = warning(
    "RS208",
    "a workload that no Process declares has an enrolling label or annotation whose value is not known and does not count",
);
pub(crate) const CLUSTER_IP_REFUSED: Code =
    warning("RS210", "a clusterIP that is asked for cannot be had; another address was assigned");
pub(crate) const NO_ADDRESS_LEFT: Code = error("RS211", "no address is left to assign");
pub(crate) const UDP_PORT: Code = info("RS212", "a UDP port of a Service is not served by the mesh");
pub(crate) const ROOT_SELECTOR: Code = warning(
    "RS213",
    "a PeerAuthentication with selector in the root namespace acts on that namespace's workloads alone",
);
pub(crate) const SAME_SELECTOR: Code =
    warning("RS214", "several PeerAuthentications with the same selector in one namespace: only the oldest acts");
pub(crate) const BAD_MESH_SETTING: Code = error("RS215", "a setting of the Mesh is invalid; the former one stays");
pub(crate) const UNKNOWN_PROBE_PORT: Code = error("RS216", "a readiness probe names a port that is not declared");
pub(crate) const UNKNOWN_TUNNEL: Code =
    warning("RS217", "the tunnel label has a value that is not known and does not count");

pub(crate) const MESH_CONFIG_IGNORED: Code = warning("RS218", "settings of the mesh stand where they do not act");

/// How many there are with those of `tables`.
const fn count(tables: &[&[Code]]) -> usize {
    let (mut sum, mut table) = (OWN.len(), 0);
    while table < tables.len() {
        sum += tables[table].len();
        table += 1;
    }
    sum
}

/// Own ones, then those of `tables`.
const fn all<const N: usize>(tables: &[&[Code]]) -> [Code; N] {
    let mut all = [NOT_FOUND; N];
    let mut at = 0;
    while at < OWN.len() {
        all[at] = OWN[at];
        at += 1;
    }
    let mut table = 0;
    while table < tables.len() {
        let mut index = 0;
        while index < tables[table].len() {
            all[at] = tables[table][index];
            index += 1;
            at += 1;
        }
        table += 1;
    }
    all
}

pub(crate) const fn error(code: &'static str, meaning: &'static str) -> Code {
    Code { code, level: Level::Error, meaning }
}

pub(crate) const fn warning(code: &'static str, meaning: &'static str) -> Code {
    Code { code, level: Level::Warning, meaning }
}

pub(crate) const fn info(code: &'static str, meaning: &'static str) -> Code {
    Code { code, level: Level::Info, meaning }
}

/// Collects findings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

// === impl Findings ===

impl Findings {
    /// About the field at `path` of `object`.
    pub(crate) fn add(&mut self, code: Code, object: &Object, path: &str, message: impl Into<String>, hint: &str) {
        self.0.push(Finding {
            code: code.code,
            level: code.level,
            object: Some(object.id.clone()),
            path: path.to_owned(),
            position: object.source.at(path),
            message: message.into(),
            hint: hint.to_owned(),
        });
    }

    /// About something that stands in no file.
    pub(crate) fn add_nowhere(&mut self, code: Code, message: impl Into<String>, hint: &str) {
        self.0.push(Finding {
            code: code.code,
            level: code.level,
            object: None,
            path: String::new(),
            position: Position::default(),
            message: message.into(),
            hint: hint.to_owned(),
        });
    }

    pub(crate) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.0.extend(findings);
    }

    /// By file and position.
    pub(crate) fn sorted(mut self) -> Vec<Finding> {
        self.0.sort_by(|a, b| (&a.position, a.code, &a.path).cmp(&(&b.position, b.code, &b.path)));
        self.0
    }
}

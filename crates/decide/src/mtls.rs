//! Which mode of mutual TLS a port has, by `PeerAuthentication` and mesh default.

use std::{cmp::Ordering, fmt};

use ripstop_model::{MeshConfig, MtlsMode, PeerAuthentication, RuleId, Snapshot, Workload};

/// The effective mode of a port, the policy that set it, and how it came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MtlsVerdict {
    /// The effective mode.
    pub mode: MtlsMode,
    /// The policy that decided; nothing: the mesh's default.
    pub policy: Option<RuleId>,
    /// The layers that were looked at, from the outermost to the innermost.
    pub trace: MtlsTrace,
}

/// The layers behind an [`MtlsVerdict`], without a heap allocation of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MtlsTrace([Option<MtlsStep>; 5]);

/// What one layer said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MtlsStep {
    /// The layer.
    pub layer: MtlsLayer,
    /// The policy that speaks for it; nothing for the mesh's default.
    pub policy: Option<RuleId>,
    /// Its mode; nothing (UNSET): the layer above stays.
    pub mode: Option<MtlsMode>,
}

/// Layers of peer authentication, each stronger than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MtlsLayer {
    /// `Mesh` settings.
    Default,
    /// Policy without selector in the root namespace.
    Mesh,
    /// Policy without selector in the workload's namespace.
    Namespace,
    /// Policy of the workload's namespace whose selector matches it.
    Workload,
    /// `portLevelMtls` of that policy.
    Port,
}

/// The mode of `port` (a port of the workload, not of a service), as Istio combines
/// `PeerAuthentication`s: mesh, namespace, workload, port; in each scope the oldest object acts;
/// UNSET keeps what the layer above said.
pub fn peer_authentication(snapshot: &Snapshot, workload: &Workload, port: u16) -> MtlsVerdict {
    let root = &*snapshot.mesh().root_namespace;
    let own = Some(&*workload.namespace).filter(|own| *own != root);
    let policies = snapshot
        .peer_authentications_in(root)
        .chain(own.into_iter().flat_map(|own| snapshot.peer_authentications_in(own)))
        .map(AsRef::as_ref);
    Scopes::of(snapshot.mesh(), workload, policies).verdict(snapshot.mesh(), port)
}

/// The policy that acts in each scope of one workload.
#[derive(Default)]
struct Scopes<'a> {
    mesh: Option<&'a PeerAuthentication>,
    namespace: Option<&'a PeerAuthentication>,
    workload: Option<&'a PeerAuthentication>,
}

// === impl Scopes ===

impl<'a> Scopes<'a> {
    fn of(mesh: &MeshConfig, workload: &Workload, policies: impl Iterator<Item = &'a PeerAuthentication>) -> Self {
        let mut scopes = Self::default();
        for policy in policies {
            let scope = if policy.namespace == workload.namespace {
                if !policy.selector.is_empty() {
                    if !policy.selector.matches(&workload.labels) {
                        continue;
                    }
                    &mut scopes.workload
                } else if policy.namespace == mesh.root_namespace {
                    &mut scopes.mesh
                } else {
                    &mut scopes.namespace
                }
            } else if policy.namespace == mesh.root_namespace && policy.selector.is_empty() {
                &mut scopes.mesh
            } else {
                continue;
            };
            if scope.is_none_or(|acting| by_age(policy, acting).is_lt()) {
                *scope = Some(policy);
            }
        }
        scopes
    }

    fn verdict(&self, mesh: &MeshConfig, port: u16) -> MtlsVerdict {
        let mut verdict = MtlsVerdict {
            mode: mesh.default_mtls,
            policy: None,
            trace: MtlsTrace([
                Some(MtlsStep { layer: MtlsLayer::Default, policy: None, mode: Some(mesh.default_mtls) }),
                None,
                None,
                None,
                None,
            ]),
        };
        let said = [
            (MtlsLayer::Mesh, self.mesh.map(|policy| (policy, policy.mode))),
            (MtlsLayer::Namespace, self.namespace.map(|policy| (policy, policy.mode))),
            (MtlsLayer::Workload, self.workload.map(|policy| (policy, policy.mode))),
            (MtlsLayer::Port, self.workload.and_then(|policy| Some((policy, *policy.ports.get(&port)?)))),
        ];
        for (step, (layer, said)) in verdict.trace.0[1..].iter_mut().zip(said) {
            let Some((policy, mode)) = said else { continue };
            if let Some(mode) = mode {
                verdict.mode = mode;
                verdict.policy = Some(policy.id.clone());
            }
            *step = Some(MtlsStep { layer, policy: Some(policy.id.clone()), mode });
        }
        verdict
    }
}

/// The oldest first; ties go to the lower name, then namespace.
fn by_age(a: &PeerAuthentication, b: &PeerAuthentication) -> Ordering {
    (a.created, &a.name, &a.namespace).cmp(&(b.created, &b.name, &b.namespace))
}

// === impl MtlsTrace ===

impl MtlsTrace {
    /// The steps, outermost layer first.
    pub fn iter(&self) -> impl Iterator<Item = &MtlsStep> {
        self.0.iter().flatten()
    }

    /// The innermost layer that set a mode.
    pub fn decided_at(&self) -> MtlsLayer {
        self.iter().filter(|step| step.mode.is_some()).last().map_or(MtlsLayer::Default, |step| step.layer)
    }
}

impl fmt::Display for MtlsTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.iter().enumerate() {
            write!(f, "{}{step}", if index == 0 { "" } else { " → " })?;
        }
        Ok(())
    }
}

impl fmt::Display for MtlsStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.layer)?;
        if let Some(policy) = &self.policy {
            write!(f, " ({policy})")?;
        }
        match self.mode {
            Some(mode) => write!(f, ": {mode}"),
            None => f.write_str(": UNSET"),
        }
    }
}

impl fmt::Display for MtlsLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "mesh default",
            Self::Mesh => "mesh",
            Self::Namespace => "namespace",
            Self::Workload => "workload",
            Self::Port => "port",
        })
    }
}

#[cfg(test)]
mod tests;

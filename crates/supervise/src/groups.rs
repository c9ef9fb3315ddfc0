//! Groups that a process may be started as a member of (`WorkloadGroup`).
//!
//! What its group says of ports and of its probe holds for a member as long as it lives, and changes with the group.
//! Whose identity it has is settled when it starts.

use std::{collections::BTreeMap, sync::Arc};

use ripstop_model::{GroupSpec, Labels, MeshConfig, RestartPolicy, may_have_sidecar};
use tokio::sync::watch;

use crate::{
    Error, Result,
    board::Key,
    context::World,
    instance::{self, Live},
    run_protocol::RunRequest,
};

/// By `<namespace>/<name>`.
pub(crate) type Groups = BTreeMap<Arc<str>, Arc<GroupSpec>>;

/// The group that a run is to be a member of; nothing: of none.
pub(crate) fn wanted(groups: &Groups, request: &RunRequest) -> Result<Option<Arc<GroupSpec>>> {
    let Some(name) = &request.group else { return Ok(None) };
    let namespace = &request.namespace;
    let Some(group) = groups.get(&*format!("{namespace}/{name}")) else {
        let of_namespace = groups.values().filter(|group| *group.namespace == **namespace);
        let names: Vec<&str> = of_namespace.map(|group| &*group.name).collect();
        let known =
            if names.is_empty() { "there is none".to_owned() } else { format!("there are: {}", names.join(", ")) };
        return Err(Error::Unavailable(format!("namespace {namespace} has no WorkloadGroup {name}; {known}")));
    };
    // Whoever may start members must not choose whom they pass for.
    let account = request.service_account.as_deref().filter(|account| !account.is_empty());
    if let Some(account) = account.filter(|account| **account != *group.service_account) {
        let own = &group.service_account;
        return Err(Error::Unavailable(format!(
            "members of WorkloadGroup {namespace}/{name} have the service account {own}, not {account}: leave it out, or \
             change template.serviceAccount"
        )));
    }
    Ok(Some(group.clone()))
}

/// What may change while a run lives.
pub(crate) fn live(request: &RunRequest, group: Option<&GroupSpec>, mesh: &MeshConfig) -> Live {
    let own = request.labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into()));
    let mut labels: Labels = own.collect();
    labels.extend(group.into_iter().flat_map(|group| &group.labels).map(|(key, value)| (key.clone(), value.clone())));
    let annotations = group.map(|group| &group.annotations);
    let injects = mesh.injecting.iter().any(|namespace| **namespace == *request.namespace);
    let has_sidecar = may_have_sidecar(&labels, annotations.unwrap_or(&Labels::new()), injects);
    Live {
        has_sidecar,
        labels,
        ports: group.map(|group| group.ports.clone()).unwrap_or_default(),
        readiness: group.and_then(|group| group.readiness.clone()),
        restart: RestartPolicy::Never,
    }
}

/// Has a member follow its group. One whose group is gone stays what it is.
pub(crate) async fn follow(world: World, key: Key, request: RunRequest, live_now: watch::Sender<Live>) {
    let mut groups = world.groups.subscribe();
    loop {
        let group = wanted(&groups.borrow_and_update(), &RunRequest { service_account: None, ..request.clone() });
        if let Ok(Some(group)) = group {
            let live = live(&request, Some(&group), &world.mesh.borrow().clone());
            instance::change(&world.board, &key, &live_now, live);
        }
        if groups.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;

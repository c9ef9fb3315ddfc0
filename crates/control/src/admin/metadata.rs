//! Labels and annotations, edited where the user keeps them: in the files.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use http::StatusCode;
use ripstop_api::{Finding, Kind, ObjectId, nearest};
use ripstop_compile::{QUARANTINE, annotation_acts, label_acts};
use ripstop_store::{Done, Error};
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::{Answer, Caller, Failure, emptied::emptied, status};
use crate::plane::Plane;

/// The edit is in the files; its commit is waited for so long.
pub(super) const COMMIT: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MetadataRequest {
    kind: String,
    #[serde(default)]
    namespace: Option<String>,
    name: String,
    /// To set, or (null) to remove.
    #[serde(default)]
    labels: BTreeMap<String, Option<String>>,
    #[serde(default)]
    annotations: BTreeMap<String, Option<String>>,
}

/// Edits the object's file and waits for the commit that has it; says what became of the file, and what is wrong
/// since.
pub(super) async fn edit(plane: &Arc<Plane>, caller: Caller, request: MetadataRequest) -> Answer {
    let MetadataRequest { kind, namespace, name, labels, annotations } = request;
    let kind = self::kind(&kind)?;
    let namespace = match namespace {
        Some(namespace) if kind.is_namespaced() => namespace,
        None if kind.is_namespaced() => return Err(Failure::bad(format!("a {kind} has a namespace; name it"))),
        _ => String::new(),
    };
    if labels.is_empty() && annotations.is_empty() {
        return Err(Failure::bad("there is neither a label nor an annotation to set or remove"));
    }
    acts(kind, &labels, &annotations)?;
    let id = ObjectId { kind, namespace, name };
    let before = status::analysis(plane).await;
    // Who would have no endpoint left is worked out only for what may take some away.
    let published = labels.get(QUARANTINE).is_some_and(Option::is_some).then(|| plane.published());
    let unknown = unknown_namespace(plane, &id);
    let record = json!({ "id": id.to_string(), "labels": labels, "annotations": annotations });
    {
        let plane = plane.clone();
        super::identities::blocking(move || {
            plane.audit.record(&caller, "metadata", record).map(|()| json!(null)).map_err(Failure::internal)
        })
        .await?;
    }
    let (labels, annotations) = (labels.into_iter().collect(), annotations.into_iter().collect());
    let edited = plane.store.edit_metadata(id.clone(), labels, annotations).await.map_err(|error| match error {
        Error::NotFound(id) => super::objects::missing(plane, &id),
        error => failure(&error),
    })?;
    tracing::info!(object = %id, pid = caller.pid, uid = caller.uid, "labels or annotations edited");
    let mut current = plane.current.subscribe();
    let committed = timeout(COMMIT, current.wait_for(|published| published.revision >= edited.revision)).await;
    // Nothing: the edit stands, but its commit takes longer than usual.
    let version = committed.ok().and_then(Result::ok).map(|published| published.version);
    let after = if version.is_some() { status::analysis(plane).await } else { None };
    let findings = before.zip(after).map(|(before, after)| {
        let added = added(&before.findings, &after.findings).into_iter();
        added.map(Finding::to_json).collect::<Vec<_>>()
    });
    let emptied = published
        .filter(|_| version.is_some())
        .map(|before| emptied(&id, before.snapshot.snapshot(), plane.published().snapshot.snapshot()));
    let done = edited.file.as_ref().map_or(Done::Nothing, |(_, done)| *done);
    Ok(json!({
        "object": id.to_string(),
        "version": version,
        "file": edited.file.as_ref().map(|(file, _)| file),
        "done": done_name(done),
        "unchanged": edited.unchanged,
        "note": unknown.filter(|_| matches!(done, Done::Made | Done::Nothing)),
        "findings": findings,
        "emptied": emptied,
    }))
}

/// Why files were not edited.
pub(super) fn failure(error: &Error) -> Failure {
    let status = match error {
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::Edit { .. } | Error::Invalid { .. } | Error::ByHand { .. } | Error::Broken { .. } => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Error::Busy { .. } => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Failure::new(status, error.to_string())
}

/// The kind of that name.
pub(super) fn kind(name: &str) -> Result<Kind, Failure> {
    Kind::named(name).ok_or_else(|| {
        let all: Vec<String> = Kind::all().map(|kind| kind.to_string()).collect();
        Failure::bad(format!("kind {name:?} is not known; use one of {}", all.join(", ")))
    })
}

/// What happened to a file, in a word.
pub(super) fn done_name(done: Done) -> &'static str {
    match done {
        Done::Nothing => "nothing",
        Done::Changed => "changed",
        Done::Made => "made",
        Done::Removed => "removed",
    }
}

/// Refuses to set what nothing in the mesh would ever read.
fn acts(
    kind: Kind,
    labels: &BTreeMap<String, Option<String>>,
    annotations: &BTreeMap<String, Option<String>>,
) -> Result<(), Failure> {
    fn set(pairs: &BTreeMap<String, Option<String>>) -> impl Iterator<Item = &String> {
        pairs.iter().filter(|(_, value)| value.is_some()).map(|(key, _)| key)
    }
    let instead = "those of a Process or Namespace decide who is in the mesh, those of a Process what selects it, those of \
                   a Node where its workloads are, and of a Service or ServiceEntry only those that name its waypoint act";
    let refuse = |what: String| {
        let message = format!("{what} would have no effect: {instead}; nothing was changed");
        Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, message))
    };
    if let Some(key) = set(labels).find(|key| !label_acts(kind, key)) {
        return refuse(format!("the label {key} of a {kind}"));
    }
    match set(annotations).find(|key| !annotation_acts(kind, key)) {
        Some(key) => refuse(format!("the annotation {key} of a {kind}")),
        None => Ok(()),
    }
}

/// What to say about a namespace that has nothing: no object, and nothing that runs.
fn unknown_namespace(plane: &Plane, id: &ObjectId) -> Option<String> {
    if id.kind != Kind::Namespace {
        return None;
    }
    let (published, view) = (plane.published(), plane.registry.view());
    let of_object = |id: &ObjectId| if id.kind == Kind::Namespace { id.name.clone() } else { id.namespace.clone() };
    let mut known: BTreeSet<String> = published.objects.keys().map(of_object).collect();
    known.extend(view.instances().map(|instance| instance.namespace.clone()));
    known.remove("");
    if known.contains(&id.name) {
        return None;
    }
    let near = nearest(&id.name, known.iter().map(String::as_str));
    let near = near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
    Some(format!("no namespace {:?} is declared, and nothing runs in it{near}", id.name))
}

/// What is wrong `after` and was not `before`, wherever it stands now.
pub(super) fn added<'a>(before: &[Finding], after: &'a [Finding]) -> Vec<&'a Finding> {
    fn what(finding: &Finding) -> (&str, Option<&ObjectId>, &str, &str) {
        (finding.code, finding.object.as_ref(), &finding.path, &finding.message)
    }
    let known: HashSet<_> = before.iter().map(what).collect();
    after.iter().filter(|finding| !known.contains(&what(finding))).collect()
}

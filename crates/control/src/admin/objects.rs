//! Objects: shown, put into files and taken out of them.

use std::{collections::HashSet, sync::Arc};

use http::StatusCode;
use ripstop_api::{
    Finding, Kind, Level, ObjectId, Spec,
    edit::{self, in_namespace},
    nearest, parse_file,
    ripstop::{Faces, ProcessRole},
};
use ripstop_store::{Error, Placed, Wish};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Answer, Caller, Failure, identities::blocking, metadata, status};
use crate::plane::Plane;

mod trial;

/// Objects of one request at most.
const MOST: usize = 1_000;
/// The finding about a kind that nothing here serves.
const NOT_SERVED: &str = "RS105";

/// What is done to the files.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Apply,
    Delete,
    /// Nothing.
    Try,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplyRequest {
    files: Vec<Text>,
    /// For objects that name none.
    #[serde(default)]
    namespace: Option<String>,
    /// Nothing is written.
    #[serde(default)]
    dry_run: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteRequest {
    objects: Vec<Named>,
    /// Objects that are declared nowhere are no error.
    #[serde(default)]
    ignore_missing: bool,
    /// Nothing is written.
    #[serde(default)]
    dry_run: bool,
}

/// A text, and what findings call it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Text {
    file: String,
    text: String,
}

/// An object by its name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    kind: String,
    #[serde(default)]
    namespace: Option<String>,
    name: String,
}

/// Whose documents are wanted.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DocumentsRequest {
    objects: Vec<Named>,
    /// What is secret may be shown.
    #[serde(default)]
    secrets: bool,
}

/// All objects that act, and where they are declared.
pub(super) fn objects(plane: &Plane) -> Value {
    let snapshot = plane.store.snapshot();
    let rows = snapshot.objects.iter().map(|(id, stored)| {
        let position = &stored.object.source.position;
        json!({
            "kind": id.kind.to_string(),
            "namespace": id.namespace,
            "name": id.name,
            "labels": stored.object.meta.labels,
            "role": role(&stored.object.spec),
            "file": position.file,
            "line": position.line,
            "createdMs": stored.created_ms,
            "generation": stored.generation,
            "lastGoodFromMs": stored.last_good_from,
        })
    });
    rows.collect()
}

/// What a process is, if it is one of the mesh's own proxies.
fn role(spec: &Spec) -> Option<&'static str> {
    match spec {
        Spec::Process(process) => match process.role {
            ProcessRole::Command => None,
            ProcessRole::Gateway if process.faces == Faces::Mesh => Some("egress"),
            ProcessRole::Gateway => Some("gateway"),
            ProcessRole::Waypoint => Some("waypoint"),
        },
        _ => None,
    }
}

/// The documents that declare objects, as they are in their files; of one that can't be had, why.
pub(super) async fn documents(plane: &Arc<Plane>, caller: Caller, request: DocumentsRequest) -> Answer {
    let ids = request.objects.into_iter().map(Named::id).collect::<Result<Vec<_>, _>>()?;
    let secrets: Vec<String> = ids.iter().filter(|id| id.kind == Kind::Secret).map(ToString::to_string).collect();
    if !secrets.is_empty() {
        if !request.secrets {
            let message = "what a Secret holds is shown only to who asks for it: --show-secrets";
            return Err(Failure::new(StatusCode::FORBIDDEN, message));
        }
        record(plane, caller, "read secret", json!({ "objects": secrets })).await?;
    }
    let found = plane.store.documents(ids).await.map_err(|error| metadata::failure(&error))?;
    let told = found.into_iter().map(|document| match document {
        Ok((file, text)) => json!({ "file": file, "text": text }),
        Err(error) => json!({ "error": error.to_string() }),
    });
    Ok(told.collect())
}

/// Puts all objects of some texts into the mesh's files, or none if one has an error.
pub(super) async fn apply(plane: &Arc<Plane>, caller: Caller, request: ApplyRequest) -> Answer {
    let ApplyRequest { files, namespace, dry_run } = request;
    let (mut wishes, mut errors, mut passed_over) = (Vec::new(), Vec::new(), Vec::new());
    for Text { file, text } in files {
        for finding in parse_file(&file, &text).findings {
            if finding.level == Level::Error {
                errors.push(finding.to_string());
            } else if finding.code == NOT_SERVED {
                passed_over.push(finding.to_json());
            }
        }
        match wished(&text, namespace.as_deref()) {
            Ok(found) => wishes.extend(found),
            Err(error) => errors.push(format!("{file}: {error}")),
        }
    }
    for (at, wish) in wishes.iter().enumerate() {
        if wishes[..at].iter().any(|other| other.id == wish.id) {
            errors.push(format!("{} is given twice", wish.id));
        }
    }
    if errors.is_empty() && wishes.is_empty() && passed_over.is_empty() {
        errors.push("there is no object in it".to_owned());
    }
    if !errors.is_empty() {
        let message = format!("nothing was changed:\n{}", errors.join("\n"));
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, message));
    }
    let mut answer = change(plane, caller, if dry_run { Act::Try } else { Act::Apply }, wishes).await?;
    answer["passedOver"] = json!(passed_over);
    Ok(answer)
}

fn wished(text: &str, namespace: Option<&str>) -> Result<Vec<Wish>, ripstop_api::edit::EditError> {
    let written = edit::documents(text)?.into_iter().map(|it| match namespace {
        Some(namespace) => {
            let document = in_namespace(&it.text, namespace)?;
            let namespace = if it.id.kind.is_namespaced() { namespace.to_owned() } else { String::new() };
            Ok(Wish { id: ObjectId { namespace, ..it.id }, document: Some(document) })
        }
        None => Ok(Wish { id: it.id, document: Some(it.text) }),
    });
    written.collect()
}

/// Takes objects out of the mesh's files, all of them or none.
pub(super) async fn delete(plane: &Arc<Plane>, caller: Caller, request: DeleteRequest) -> Answer {
    let DeleteRequest { objects, ignore_missing, dry_run } = request;
    let mut wishes = Vec::new();
    for named in objects {
        let wish = Wish { id: named.id()?, document: None };
        if !wishes.contains(&wish) {
            wishes.push(wish);
        }
    }
    if ignore_missing {
        let snapshot = plane.store.snapshot();
        wishes.retain(|wish| snapshot.objects.contains_key(&wish.id));
    }
    change(plane, caller, if dry_run { Act::Try } else { Act::Delete }, wishes).await
}

async fn change(plane: &Arc<Plane>, caller: Caller, act: Act, wishes: Vec<Wish>) -> Answer {
    if wishes.len() > MOST {
        return Err(Failure::bad(format!("{} objects at once are too many; {MOST} may be", wishes.len())));
    }
    if wishes.is_empty() {
        return Ok(
            json!({ "objects": [], "version": plane.published().version, "findings": [], "dryRun": act == Act::Try }),
        );
    }
    let ids: Vec<ObjectId> = wishes.iter().map(|wish| wish.id.clone()).collect();
    let what = match act {
        Act::Apply => "apply",
        Act::Delete => "delete",
        Act::Try => return trial::of(plane, ids, wishes).await,
    };
    let named: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let (before, stored) = (status::analysis(plane).await, plane.store.snapshot());
    record(plane, caller, what, json!({ "objects": named })).await?;
    let changed = plane.store.change(wishes).await.map_err(|error| failed(plane, error));
    let outcome = changed.as_ref().map_or_else(|failure| failure.message.clone(), |_| "done".to_owned());
    record(plane, caller, what, json!({ "objects": named, "outcome": outcome })).await?;
    let (revision, placed) = changed?;
    tracing::info!(objects = ?named, pid = caller.pid, uid = caller.uid, what, "files edited");
    let mut current = plane.current.subscribe();
    let committed = timeout(metadata::COMMIT, current.wait_for(|published| published.revision >= revision)).await;
    // Nothing: the edit stands, but its commit takes longer than usual.
    let version = committed.ok().and_then(Result::ok).map(|published| published.version);
    let after = if version.is_some() { status::analysis(plane).await } else { None };
    let findings = before.zip(after).map(|(before, after)| concern(&ids, &before.findings, &after.findings));
    let answer = json!({ "objects": rows(&ids, placed), "version": version, "findings": findings });
    trial::moves(plane, stored, plane.store.snapshot(), answer).await
}

/// Findings that are new, or of these objects.
fn concern(ids: &[ObjectId], before: &[Finding], after: &[Finding]) -> Vec<Value> {
    let added: HashSet<*const Finding> = metadata::added(before, after).into_iter().map(std::ptr::from_ref).collect();
    let is_of_them = |finding: &Finding| finding.object.as_ref().is_some_and(|id| ids.contains(id));
    let concerned = after.iter().filter(|finding| added.contains(&std::ptr::from_ref(*finding)) || is_of_them(finding));
    concerned.map(Finding::to_json).collect()
}

/// What became of each object.
fn rows(ids: &[ObjectId], placed: Vec<Placed>) -> Value {
    let rows = ids.iter().zip(placed).map(|(id, Placed { files, done })| {
        let done = metadata::done_name(done);
        json!({ "kind": id.kind.to_string(), "namespace": id.namespace, "name": id.name, "files": files, "done": done })
    });
    rows.collect()
}

fn failed(plane: &Plane, error: Error) -> Failure {
    match error {
        Error::NotFound(id) => missing(plane, &id),
        error => metadata::failure(&error),
    }
}

/// Writes down what is done, or was, with the power of the socket.
async fn record(plane: &Arc<Plane>, caller: Caller, what: &'static str, details: Value) -> Result<(), Failure> {
    let plane = plane.clone();
    let recorded =
        blocking(move || plane.audit.record(&caller, what, details).map(|()| json!(null)).map_err(Failure::internal));
    recorded.await.map(drop)
}

/// There is no such object; the name that it may be meant to have.
pub(super) fn missing(plane: &Plane, id: &ObjectId) -> Failure {
    let snapshot = plane.store.snapshot();
    let alike = || snapshot.objects.keys().filter(|other| other.kind == id.kind);
    if let Some(other) = alike().find(|other| other.name == id.name) {
        let message = format!("there is no {id}, but {other}: -n {}; nothing was changed", other.namespace);
        return Failure::new(StatusCode::NOT_FOUND, message);
    }
    let near = alike().filter(|other| other.namespace == id.namespace);
    let near = nearest(&id.name, near.map(|other| other.name.as_str()));
    let near = near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
    Failure::new(StatusCode::NOT_FOUND, format!("{id} is declared nowhere, so nothing was changed{near}"))
}

// === impl Named ===

impl Named {
    fn id(self) -> Result<ObjectId, Failure> {
        let Self { kind, namespace, name, .. } = self;
        let kind = metadata::kind(&kind)?;
        let namespace =
            if kind.is_namespaced() { namespace.unwrap_or_else(|| "default".to_owned()) } else { String::new() };
        Ok(ObjectId { kind, namespace, name })
    }
}

//! Objects: shown, put into files and taken out of them.

use std::sync::Arc;

use http::StatusCode;
use ripstop_api::{Finding, Kind, Level, ObjectId, edit::documents, parse_file};
use ripstop_store::{Done, Error, Placed, Wish};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Answer, Caller, Failure, metadata, status};
use crate::plane::Plane;

/// Objects of one request at most.
const MOST: usize = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplyRequest {
    /// What findings call the text.
    file: String,
    text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteRequest {
    objects: Vec<Named>,
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

/// All objects that act, and where they are declared.
pub(super) fn objects(plane: &Plane) -> Value {
    let snapshot = plane.store.snapshot();
    let rows = snapshot.objects.iter().map(|(id, stored)| {
        let position = &stored.object.source.position;
        json!({
            "kind": id.kind.to_string(),
            "namespace": id.namespace,
            "name": id.name,
            "file": position.file,
            "line": position.line,
            "createdMs": stored.created_ms,
            "generation": stored.generation,
            "lastGoodFromMs": stored.last_good_from,
        })
    });
    rows.collect()
}

/// The document that declares an object, as it is in its file.
pub(super) async fn document(plane: &Arc<Plane>, named: Named) -> Answer {
    let id = named.id()?;
    let (file, text) = plane.store.document(id).await.map_err(failure)?;
    Ok(json!({ "file": file, "text": text }))
}

/// Puts all objects of a text into the mesh's files, or none if one has an error.
pub(super) async fn apply(plane: &Arc<Plane>, caller: Caller, request: ApplyRequest) -> Answer {
    let ApplyRequest { file, text } = request;
    let errors: Vec<Finding> =
        parse_file(&file, &text).findings.into_iter().filter(|finding| finding.level == Level::Error).collect();
    if !errors.is_empty() {
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let message = format!("nothing was changed:\n{}", errors.join("\n"));
        return Err(Failure::new(StatusCode::UNPROCESSABLE_ENTITY, message));
    }
    let written = documents(&text).map_err(|error| Failure::bad(format!("{file}: {error}")))?;
    if written.is_empty() {
        return Err(Failure::bad(format!("there is no object in {file}")));
    }
    let wishes = written.into_iter().map(|it| Wish { id: it.id, document: Some(it.text) }).collect();
    change(plane, caller, "apply", wishes).await
}

/// Takes objects out of the mesh's files.
pub(super) async fn delete(plane: &Arc<Plane>, caller: Caller, request: DeleteRequest) -> Answer {
    let wishes: Result<Vec<Wish>, Failure> =
        request.objects.into_iter().map(|named| Ok(Wish { id: named.id()?, document: None })).collect();
    change(plane, caller, "delete", wishes?).await
}

async fn change(plane: &Arc<Plane>, caller: Caller, what: &'static str, wishes: Vec<Wish>) -> Answer {
    if wishes.len() > MOST {
        return Err(Failure::bad(format!("{} objects at once are too many; {MOST} may be", wishes.len())));
    }
    let ids: Vec<ObjectId> = wishes.iter().map(|wish| wish.id.clone()).collect();
    let named: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let before = status::analysis(plane).await;
    {
        let (plane, record) = (plane.clone(), json!({ "objects": named }));
        super::identities::blocking(move || {
            plane.audit.record(&caller, what, record).map(|()| json!(null)).map_err(Failure::internal)
        })
        .await?;
    }
    let (revision, results) = plane.store.change(wishes).await.map_err(failure)?;
    tracing::info!(objects = ?named, pid = caller.pid, uid = caller.uid, what, "files edited");
    let mut current = plane.current.subscribe();
    let committed = timeout(metadata::COMMIT, current.wait_for(|published| published.revision >= revision)).await;
    // Nothing: the edit stands, but its commit takes longer than usual.
    let version = committed.ok().and_then(Result::ok).map(|published| published.version);
    let after = if version.is_some() { status::analysis(plane).await } else { None };
    let findings = before.zip(after).map(|(before, after)| {
        let added = metadata::added(&before.findings, &after.findings).into_iter();
        added.map(Finding::to_json).collect::<Vec<_>>()
    });
    let rows = ids.iter().zip(results).map(|(id, result)| row(id, result));
    Ok(json!({ "objects": rows.collect::<Vec<_>>(), "version": version, "findings": findings }))
}

fn row(id: &ObjectId, result: Result<Placed, Error>) -> Value {
    let mut row = json!({ "kind": id.kind.to_string(), "namespace": id.namespace, "name": id.name });
    match result {
        Ok(Placed { file, done }) => {
            row["file"] = json!(file);
            row["done"] = json!(metadata::done_name(done));
        }
        Err(error) => row["error"] = json!(error.to_string()),
    }
    row
}

fn failure(error: Error) -> Failure {
    let status = match &error {
        Error::NotFound(_) => StatusCode::NOT_FOUND,
        Error::Edit { .. } | Error::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Busy { .. } => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Failure::new(status, error.to_string())
}

// === impl Named ===

impl Named {
    fn id(self) -> Result<ObjectId, Failure> {
        let Self { kind, namespace, name } = self;
        let kind = metadata::kind(&kind)?;
        let namespace =
            if kind.is_namespaced() { namespace.unwrap_or_else(|| "default".to_owned()) } else { String::new() };
        Ok(ObjectId { kind, namespace, name })
    }
}

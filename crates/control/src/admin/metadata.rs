//! Labels and annotations, edited where the user keeps them: in the files.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use http::StatusCode;
use ripstop_api::{Kind, ObjectId};
use ripstop_store::Error;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;

use super::{Answer, Caller, Failure};
use crate::plane::Plane;

/// The edit is in the files; its commit is waited for so long.
const COMMIT: Duration = Duration::from_secs(5);
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

/// Edits the object's file and waits for the commit that has it.
pub(super) async fn edit(plane: &Arc<Plane>, caller: Caller, request: MetadataRequest) -> Answer {
    let MetadataRequest { kind, namespace, name, labels, annotations } = request;
    let kind = Kind::named(&kind).ok_or_else(|| {
        let all: Vec<String> = Kind::all().map(|kind| kind.to_string()).collect();
        Failure::bad(format!("kind {kind:?} is not known; use one of {}", all.join(", ")))
    })?;
    let namespace = match namespace {
        Some(namespace) if kind.is_namespaced() => namespace,
        None if kind.is_namespaced() => return Err(Failure::bad(format!("a {kind} has a namespace; name it"))),
        _ => String::new(),
    };
    if labels.is_empty() && annotations.is_empty() {
        return Err(Failure::bad("there is neither a label nor an annotation to set or remove"));
    }
    let id = ObjectId { kind, namespace, name };
    let record = json!({ "id": id.to_string(), "labels": labels, "annotations": annotations });
    {
        let plane = plane.clone();
        super::identities::blocking(move || {
            plane.audit.record(&caller, "metadata", record).map(|()| json!(null)).map_err(Failure::internal)
        })
        .await?;
    }
    let (labels, annotations) = (labels.into_iter().collect(), annotations.into_iter().collect());
    let revision = plane.store.edit_metadata(id.clone(), labels, annotations).await.map_err(|error| {
        let status = match &error {
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::Edit { .. } | Error::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Error::Busy { .. } => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Failure::new(status, error.to_string())
    })?;
    tracing::info!(object = %id, pid = caller.pid, uid = caller.uid, "labels or annotations edited");
    let mut current = plane.current.subscribe();
    let committed = timeout(COMMIT, current.wait_for(|published| published.revision >= revision)).await;
    // Nothing: the edit stands, but its commit takes longer than usual.
    let version = committed.ok().and_then(Result::ok).map(|published| published.version);
    Ok(json!({ "object": id.to_string(), "version": version }))
}

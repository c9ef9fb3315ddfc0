//! The registry service: supervisors and agents report.

use std::{pin::Pin, sync::Arc};

use futures_util::{Stream, stream};
use ripstop_wire::ripstop::{ReportRequest, ReportResponse, registry_server, report_request::Kind};
use tonic::{Request, Response, Status, Streaming};

use crate::{
    peer::{Component, Peer, Role},
    plane::Plane,
};

/// `ripstop.v1.Registry`.
#[derive(Clone)]
pub(crate) struct Reports(pub(crate) Arc<Plane>);

/// One reporter's stream: each report is answered once it counts.
struct Session {
    plane: Arc<Plane>,
    reporter: Component,
    reports: Streaming<ReportRequest>,
    ended: bool,
}

#[tonic::async_trait]
impl registry_server::Registry for Reports {
    type ReportStream = Pin<Box<dyn Stream<Item = Result<ReportResponse, Status>> + Send>>;

    async fn report(&self, request: Request<Streaming<ReportRequest>>) -> Result<Response<Self::ReportStream>, Status> {
        let caller = request.extensions().get::<Peer>().cloned();
        let reporter = caller.as_ref().and_then(Peer::component).filter(|component| {
            // Of proxies nothing is believed.
            matches!(component.role, Role::Agent | Role::Supervisor)
        });
        let Some(reporter) = reporter else {
            let caller = caller.map(|caller| caller.to_string()).unwrap_or_default();
            tracing::warn!(caller, "report refused: not an agent or a supervisor");
            return Err(Status::permission_denied("only agents and supervisors report"));
        };
        let session = Session { plane: self.0.clone(), reporter, reports: request.into_inner(), ended: false };
        let answers = stream::unfold(session, |mut session| async {
            let answer = session.next().await?;
            session.ended = answer.is_err();
            Some((answer, session))
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

impl Session {
    async fn next(&mut self) -> Option<Result<ReportResponse, Status>> {
        if self.ended {
            return None;
        }
        let stop = self.plane.stop.clone();
        let report = tokio::select! {
            () = stop.cancelled() => return Some(Err(Status::unavailable("the control plane stops"))),
            report = self.reports.message() => report.ok()??,
        };
        Some(self.count(report).map(|()| ReportResponse {}))
    }

    fn count(&self, report: ReportRequest) -> Result<(), Status> {
        let Component { role, name, id } = &self.reporter;
        match (report.kind, role) {
            (Some(Kind::Instances(set)), Role::Supervisor) => {
                tracing::debug!(reporter = %id, instances = set.instances.len(), "instances reported");
                self.plane.registry.report_instances(set);
            }
            (Some(Kind::Captures(set)), Role::Agent) => {
                if set.node != **name {
                    let reason = format!("agent {name} reports captures of node {}", set.node);
                    tracing::warn!(reporter = %id, reason, "report refused");
                    return Err(Status::permission_denied(reason));
                }
                tracing::debug!(reporter = %id, captures = set.captures.len(), "captures reported");
                self.plane.registry.report_captures(name, set);
            }
            // A kind that a later version may know.
            (None, _) => {}
            (Some(_), _) => {
                tracing::warn!(reporter = %id, "report refused: not this role's to make");
                return Err(Status::permission_denied("supervisors report instances, agents captures"));
            }
        }
        Ok(())
    }
}

//! What becomes of the connection that a request comes by.

use std::sync::Arc;

use ripstop_decide::{Verdict, reads_requests};
use ripstop_model::{Health, RuleId, TunnelProtocol, Workload};

use crate::{
    World,
    answer::ConnectionAnswer,
    attempt::{Attempt, Gate},
    authorization,
    explain::Asked,
    place::Place,
    transport::{Carrier, Ruled, transport},
};

// === impl Asked ===

impl Asked<'_> {
    /// What becomes of the connection, at whichever endpoint it gets to. Where policies look at requests, its transport
    /// alone decides, and then each request for itself.
    pub(crate) fn connection(&self) -> Option<ConnectionAnswer> {
        if matches!(self.place, Place::Gateway(_) | Place::Waypoint(_)) {
            return None;
        }
        let program = &self.world.program;
        let port = self.destination.port;
        let mut targets: Vec<(Arc<Workload>, u16)> = Vec::new();
        if let Some(workload) = self.direct() {
            targets.push((workload.clone(), port));
        } else {
            let by_name = self.destination.host.as_deref().and_then(|host| program.services_named(host).next());
            let service =
                by_name.or_else(|| self.destination.address.and_then(|address| program.service_at(address)))?;
            if !service.ports.iter().any(|declared| declared.port == port) {
                let reason = format!("{} has no port {port}", service.key);
                return Some(ConnectionAnswer { verdict: "none".into(), reason, rule: None });
            }
            targets.extend(program.endpoints(&service.key).filter_map(|workload| {
                let ready = workload.health == Health::Healthy || service.publish_not_ready;
                Some((workload.clone(), workload.target_port(&service.key, port).filter(|_| ready)?))
            }));
            if targets.is_empty() {
                let reason = format!("{} has no ready endpoint", service.key);
                return Some(ConnectionAnswer { verdict: "none".into(), reason, rule: None });
            }
        }
        let unserved = |workload: &Workload| self.world.unserved.get(&workload.uid);
        let down = |workload: &Workload| {
            let reason = unserved(workload)?;
            Some(format!("of {}/{} nothing passes: {reason}", workload.namespace, workload.name))
        };
        if let Some(reason) = self.caller.workload().and_then(|caller| down(caller)) {
            return Some(ConnectionAnswer { verdict: "none".into(), reason, rule: None });
        }
        if targets.iter().all(|(workload, _)| unserved(workload).is_some()) {
            let reason = targets.first().and_then(|(workload, _)| down(workload))?;
            return Some(ConnectionAnswer { verdict: "none".into(), reason, rule: None });
        }
        let mut said: Vec<(bool, String, Option<RuleId>)> = Vec::new();
        for (workload, port) in targets {
            if let Some(reason) = down(&workload) {
                said.push((false, reason, None));
                continue;
            }
            if workload.tunnel != TunnelProtocol::Hbone {
                if let Some(denied) = self.departing(Some(&workload), TunnelProtocol::None) {
                    said.push(kept(self.world, denied));
                    continue;
                }
                said.push((
                    true,
                    format!("{}/{} is not in the mesh: nobody decides there", workload.namespace, workload.name),
                    None,
                ));
                continue;
            }
            let plaintext = self.question.plaintext;
            let transport =
                transport(self.world, &self.caller, &workload, port, plaintext, Carrier::Own, Ruled::default());
            let itself = self.caller.workload().is_some_and(|caller| caller.uid == workload.uid);
            if itself {
                said.push((
                    true,
                    "the workload calls itself, inside of its own namespace: nobody decides there".into(),
                    None,
                ));
                continue;
            }
            let way = if transport.peer.is_some() { TunnelProtocol::Hbone } else { TunnelProtocol::None };
            if let Some(denied) = self.departing(Some(&workload), way) {
                said.push(kept(self.world, denied));
                continue;
            }
            let by_request = self.request.is_some() && reads_requests(program, &workload, port);
            let attempt = Attempt {
                address: workload.addresses.first().copied(),
                port,
                peer: transport.peer,
                source: self.source(),
                remote: None,
                sni: None,
                service: None,
                request: None,
                unread: true,
                gate: Gate::Callee,
                destination: workload,
            };
            let decision = if by_request { attempt.admit(program) } else { attempt.decide(program) };
            let admitted = by_request && decision.verdict.is_allow();
            let reason = if admitted {
                "its requests are judged one by one".into()
            } else {
                authorization::reason(self.world, &decision)
            };
            let (_, rule) = authorization::verdict(&decision);
            let rule = rule.cloned();
            let allowed = decision.without_authorizer().is_allow();
            said.push((allowed, reason, rule));
        }
        let allowed = said.iter().filter(|(allowed, ..)| *allowed).count();
        let verdict = match (allowed, said.len()) {
            (0, _) => "deny",
            (allowed, all) if allowed == all => "allow",
            _ => "mixed",
        };
        let (_, reason, rule) = said.into_iter().find(|(allowed, ..)| *allowed == (verdict == "allow"))?;
        Some(ConnectionAnswer { verdict: verdict.into(), reason, rule: rule.map(|rule| self.world.place(&rule)) })
    }
}

/// What is said of a connection that is not sent.
fn kept(world: &World, denied: Verdict) -> (bool, String, Option<RuleId>) {
    let rule = denied.policy().cloned();
    (false, authorization::told_of(world, denied).reason, rule)
}

//! A question and its answer in a sentence.

use ripstop_model::Abort;

use crate::{
    answer::{EndpointAnswer, RouteAnswer, Verdict},
    course::{Course, is_whole},
    explain::Asked,
    place::Place,
    route,
};

// === impl Asked ===

impl Asked<'_> {
    /// The question in a line.
    pub(crate) fn told(&self) -> String {
        let what = match &self.request {
            Some(request) => format!("{} {}", request.method, request.path),
            None if !self.question.sni.is_empty() => format!("TLS to {}", self.question.sni),
            None => "a connection".into(),
        };
        let called = self.destination.address.filter(|_| !self.world.live);
        // An address that is an example says less than whose it is.
        let to = match called.and_then(|address| self.world.program.workload_at(address)) {
            Some(workload) => format!("{}/{}:{}", workload.namespace, workload.name, self.destination.port),
            None => self.question.to.clone(),
        };
        format!("{what} from {} to {to}", self.caller.told())
    }

    /// Where it is decided.
    pub(crate) fn places(&self, answers: &[EndpointAnswer]) -> Vec<String> {
        let mut places = vec![self.place.told(&self.caller)];
        if answers.iter().any(|answer| answer.authorization.is_some()) {
            places.push("authorization: proxy of the callee's node".into());
        }
        places
    }

    /// The verdict in a sentence.
    pub(crate) fn summary(
        &self,
        verdict: Verdict,
        course: &Course,
        route: &RouteAnswer,
        gateway: Option<&EndpointAnswer>,
        answers: &[EndpointAnswer],
    ) -> String {
        let at = |answer: &EndpointAnswer, word: &str, at: &str| {
            let said = answer.authorization.as_ref().filter(|said| said.verdict == word)?;
            Some(format!("{} at {at}{}", said.reason, answer.name))
        };
        let reason = |word: &str| answers.iter().find_map(|answer| at(answer, word, ""));
        let what = if matches!(self.place, Place::Waypoint(_)) { "the waypoint " } else { "the gateway " };
        let at_gateway = |word: &str| gateway.and_then(|answer| at(answer, word, what));
        let text = match verdict {
            Verdict::Denied => at_gateway("deny").or_else(|| reason("deny")),
            Verdict::Mixed => reason("deny").map(|reason| format!("not at every endpoint: {reason}")),
            Verdict::Asks => at_gateway("ask").or_else(|| reason("ask")),
            Verdict::Allowed => reason("allow"),
            Verdict::Answered => self.abort_told(course),
            Verdict::NotJudged => {
                let whom = answers.iter().find(|answer| answer.not_judged).map(|answer| answer.name.as_str());
                Some(format!(
                    "it gets to {}, and whether it may come in there is not known: no workload of the mesh is that gateway; name one with --via gateway:NAMESPACE/NAME, or its identity with --from",
                    whom.unwrap_or("the callee")
                ))
            }
            Verdict::NotRouted => None,
        };
        let failing = || {
            let lost = answers.iter().find(|answer| answer.lost)?;
            Some(format!("{} is called with {}", lost.name, lost.transport))
        };
        let lost = || course.notes.first().filter(|_| answers.is_empty() || verdict == Verdict::Mixed).cloned();
        let lost = || lost().or_else(|| failing().filter(|_| matches!(verdict, Verdict::NotRouted | Verdict::Mixed)));
        let text = text.or_else(lost).unwrap_or_else(|| route.outcome.clone());
        match self.faults_told(course) {
            Some(faults)
                if matches!(verdict, Verdict::Allowed | Verdict::Asks | Verdict::Mixed | Verdict::NotJudged) =>
            {
                format!("{text}; but {faults}")
            }
            Some(faults) if verdict == Verdict::Denied && gateway.is_none_or(|gateway| !denies(gateway)) => {
                format!("{text}; before that, {faults}")
            }
            _ => text,
        }
    }

    /// Of an abort of everything.
    fn abort_told(&self, course: &Course) -> Option<String> {
        let abort = course.abort()?;
        let rule = route::acting(&course.verdict.as_ref()?.outcome)?;
        Some(format!("it is {} by a fault (100 %) of {}", answered(abort), self.world.place(rule.id())))
    }

    /// Of faults that some requests meet.
    fn faults_told(&self, course: &Course) -> Option<String> {
        let fault = course.fault()?;
        let rule = route::acting(&course.verdict.as_ref()?.outcome)?;
        let mut parts = Vec::new();
        if let Some((abort, share)) =
            fault.abort.as_ref().filter(|(_, share)| !is_whole(*share) && share.millionths() > 0)
        {
            parts.push(format!("{share} % are {}", answered(abort)));
        }
        if let Some((delay, share)) = fault.delay.as_ref().filter(|(_, share)| share.millionths() > 0) {
            parts.push(format!("{share} % are delayed by {delay:?}"));
        }
        let place = self.world.place(rule.id());
        (!parts.is_empty()).then(|| format!("{} by a fault of {place}", parts.join(" and ")))
    }
}

fn denies(answer: &EndpointAnswer) -> bool {
    answer.authorization.as_ref().is_some_and(|said| said.verdict == "deny")
}

fn answered(abort: &Abort) -> String {
    match abort {
        Abort::Http(status) => format!("answered {status}"),
        Abort::Grpc(status) => format!("answered with gRPC status {status}"),
    }
}

//! An explanation for a terminal.

use std::fmt::Write as _;

use ripstop_explain::{AuthorizationAnswer, EndpointAnswer, Explanation, PolicyAnswer, Reference, Verdict};

use crate::output::{BAD, BOLD, DIM, GOOD, WARN, paint};

/// The whole of it.
pub fn explanation(explanation: &Explanation) -> String {
    let mut out = String::new();
    let style = match explanation.verdict {
        Verdict::Allowed | Verdict::Answered => GOOD,
        Verdict::Denied | Verdict::NotRouted => BAD,
        Verdict::Mixed | Verdict::Asks | Verdict::NotJudged => WARN,
    };
    let verdict = paint(style, &explanation.verdict.to_string());
    line(&mut out, 0, &format!("{verdict}  {}", explanation.question));
    line(&mut out, 2, &explanation.summary);
    if let Some(now) = &explanation.connection {
        let style = if now.verdict == "allow" { GOOD } else { BAD };
        let word = match now.verdict.as_str() {
            "allow" => "let in",
            "deny" => "refused",
            "none" => "nobody takes it",
            _ => "let in by some endpoints, refused by others",
        };
        let reason = said_once(&now.reason, &explanation.summary, "for the same reason");
        let word = paint(style, word);
        match (explanation.live, reason == now.reason) {
            (true, _) => line(&mut out, 2, &format!("its connection today: {word} ({reason})")),
            (false, true) => line(&mut out, 2, &format!("its connection: {word} ({reason})")),
            // Nothing that is not said above.
            (false, false) => {}
        }
    }
    for note in once(&explanation.notes, &explanation.summary) {
        line(&mut out, 2, &paint(DIM, &format!("note: {note}")));
    }
    heading(&mut out, "Where");
    explanation.places.iter().for_each(|place| line(&mut out, 2, place));
    if let Some(gateway) = &explanation.gateway {
        place_of_decision(&mut out, "Gateway", gateway, None, &explanation.summary);
    }
    if let Some(waypoint) = &explanation.waypoint {
        place_of_decision(&mut out, "Waypoint", waypoint, None, &explanation.summary);
    }
    heading(&mut out, "Route");
    let route = &explanation.route;
    for step in once(&route.steps, &explanation.summary) {
        line(&mut out, 2, step);
    }
    let outcome = if explanation.summary == route.outcome { "as said above" } else { &route.outcome };
    if !route.steps.contains(&route.outcome) {
        line(&mut out, 2, outcome);
    }
    for backend in &explanation.route.backends {
        let missing = if backend.missing.is_empty() {
            String::new()
        } else {
            paint(BAD, &format!("  its {} does not exist", backend.missing))
        };
        let share =
            if explanation.route.backends.len() > 1 { format!("{:>5.1} %  ", backend.share) } else { String::new() };
        line(&mut out, 4, &format!("{share}{}{missing}", backend.name));
        for text in &backend.settings.lines {
            line(&mut out, 8, text);
        }
        for from in &backend.settings.from {
            line(&mut out, 8, &paint(DIM, &format!("by {from}")));
        }
    }
    explanation.route.settings.iter().for_each(|text| line(&mut out, 4, text));
    for (index, endpoint) in explanation.endpoints.iter().enumerate() {
        let before = explanation.endpoints[..index]
            .iter()
            .find(|other| endpoint.authorization.is_some() && other.authorization == endpoint.authorization);
        place_of_decision(&mut out, "Endpoint", endpoint, before, &explanation.summary);
    }
    if let Some(turned) = turned(explanation) {
        heading(&mut out, "Smallest change that turns it");
        line(&mut out, 2, &turned);
    }
    out
}

/// What would turn the verdict, or that nothing was found; nothing where nothing is looked for.
pub fn turned(explanation: &Explanation) -> Option<String> {
    match (&explanation.flip, explanation.verdict) {
        (Some(flip), _) => Some(format!("{} → {}", flip.changes.join(", and "), flip.verdict)),
        (None, Verdict::Answered | Verdict::NotJudged) => None,
        (None, _) => Some("none found among the values that policies and routes name".into()),
    }
}

/// Sentences, each once, but for those that `above` says.
pub fn once<'a>(sentences: &'a [String], above: &'a str) -> impl Iterator<Item = &'a String> {
    let is_new = |(at, text): &(usize, &String)| !sentences[..*at].contains(text) && !above.contains(text.as_str());
    sentences.iter().enumerate().filter(is_new).map(|(_, text)| text)
}

/// `reason`, or what to say instead where `above` has said it.
fn said_once<'a>(reason: &'a str, above: &str, instead: &'a str) -> &'a str {
    if !reason.is_empty() && above.contains(reason) { instead } else { reason }
}

fn place_of_decision(
    out: &mut String,
    what: &str,
    endpoint: &EndpointAnswer,
    before: Option<&EndpointAnswer>,
    summary: &str,
) {
    heading(out, &format!("{what} {} ({})", endpoint.name, endpoint.address));
    if !endpoint.alike.is_empty() {
        line(out, 2, &paint(DIM, &format!("the same is true of {}", endpoint.alike.join(", "))));
    }
    line(out, 2, &endpoint.transport);
    match (&endpoint.authorization, before) {
        (Some(said), Some(before)) => {
            line(out, 2, &format!("{}, for the same reasons as at {}", said.verdict, before.name));
        }
        (Some(said), None) => out.push_str(&authorization(said, summary)),
        (None, _) => {}
    }
}

/// What authorization says at one workload; a reason that `above` tells is not told again.
pub fn authorization(said: &AuthorizationAnswer, above: &str) -> String {
    let mut out = String::new();
    line(&mut out, 2, &format!("mutual TLS: {}", said.mtls));
    let style = if said.verdict == "deny" { BAD } else { GOOD };
    let reason = said_once(&said.reason, above, "for the reason above");
    line(&mut out, 2, &format!("{}: {reason}", paint(style, &said.verdict)));
    for rule in &said.audit {
        line(&mut out, 2, &format!("audit: {rule}"));
    }
    if let Some(trial) = &said.dry_run {
        let rule = trial.rule.as_ref().map(|rule| format!(" by {rule}")).unwrap_or_default();
        line(&mut out, 2, &format!("dry run: would {}{rule}", trial.verdict));
    }
    for policy in &said.policies {
        policy_head(&mut out, policy);
        if policy.rules.is_empty() {
            line(&mut out, 4, &paint(DIM, "no rules: nothing matches"));
        }
        for rule in &policy.rules {
            let mark = if rule.matches { paint(GOOD, "matches") } else { paint(DIM, "does not match") };
            line(&mut out, 4, &format!("rule at {}: {mark}", place(&rule.rule)));
            if let Some(why) = &rule.out {
                line(&mut out, 6, &paint(WARN, why));
            }
            for condition in &rule.conditions {
                let (mark, style) = match condition.truth.as_str() {
                    "holds" => ("✓", GOOD),
                    "fails" => ("✗", BAD),
                    _ => ("?", WARN),
                };
                let found = match (&condition.found, condition.truth.as_str()) {
                    (Some(found), _) => format!("  (it is {found})"),
                    (None, "holds" | "fails") => "  (there is none)".into(),
                    (None, unknown) => format!("  ({unknown})"),
                };
                let wants = shortened(&condition.wants);
                let at = if condition.line > 0 { format!("  line {}", condition.line) } else { String::new() };
                line(&mut out, 6, &format!("{} {wants}{}", paint(style, mark), paint(DIM, &(found + &at))));
            }
        }
    }
    out
}

/// The rules of a policy, without a request.
pub fn policy_rules(policy: &PolicyAnswer) -> String {
    let mut out = String::new();
    policy_head(&mut out, policy);
    if policy.rules.is_empty() {
        line(&mut out, 4, "no rules: nothing matches");
    }
    for rule in &policy.rules {
        line(&mut out, 4, &format!("rule at {}", place(&rule.rule)));
        if rule.conditions.is_empty() {
            line(&mut out, 6, "everything matches");
        }
        for condition in &rule.conditions {
            line(&mut out, 6, &shortened(&condition.wants));
        }
    }
    out
}

fn policy_head(out: &mut String, policy: &PolicyAnswer) {
    let trial = if policy.dry_run { " (dry run)" } else { "" };
    let attached = policy.attached.as_ref().map(|to| format!(", of requests to {to} alone")).unwrap_or_default();
    line(out, 2, &format!("{}{trial} {}{attached}", paint(BOLD, &policy.action), policy.policy));
}

/// File and line, else the id.
fn place(reference: &Reference) -> String {
    match (reference.file.is_empty(), reference.line) {
        (true, _) => reference.id.clone(),
        (false, line) => format!("{}:{line}", reference.file),
    }
}

/// Long lists of values end in a number.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 6;
    let parts: Vec<&str> = text.split(", ").collect();
    if parts.len() <= SHOWN {
        return text.to_owned();
    }
    format!("{}, … ({} in all)", parts[..SHOWN].join(", "), parts.len())
}

fn heading(out: &mut String, text: &str) {
    let _ = writeln!(out, "\n{}", paint(BOLD, text));
}

/// Adds a line, so far to the right.
pub fn line(out: &mut String, indent: usize, text: &str) {
    let _ = writeln!(out, "{:indent$}{text}", "");
}

#[cfg(test)]
mod tests;

//! Findings that an object's author does not want to see.

use std::collections::HashMap;

use ripstop_api::{Finding, Level, ObjectId};

use crate::Objects;

/// Annotation with codes, or `*`, that are not told about its object.
pub(crate) const SUPPRESS: &str = "galley.istio.io/analyze-suppress";

/// `findings` without those that their objects suppress. Errors are always told.
pub(crate) fn kept(objects: &Objects, mut findings: Vec<Finding>) -> Vec<Finding> {
    let texts: HashMap<&ObjectId, &str> = objects
        .iter()
        .filter_map(|(id, declared)| Some((id, declared.object.meta.annotations.get(SUPPRESS)?.as_str())))
        .collect();
    if texts.is_empty() {
        return findings;
    }
    findings.retain(|finding| {
        let text = finding.object.as_ref().and_then(|id| texts.get(id));
        let suppresses = |text: &&str| text.split(',').map(str::trim).any(|code| code == "*" || code == finding.code);
        finding.level == Level::Error || !text.is_some_and(suppresses)
    });
    findings
}

#[cfg(test)]
mod tests;

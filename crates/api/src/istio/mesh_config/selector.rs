//! Kubernetes' label selectors, with expressions.

use std::collections::BTreeMap;

use crate::{
    decode::{Decoder, Field, quoted},
    finding::code,
    istio::Labels,
    names,
    schema::{choice, message},
};

message! {
    /// A label selector: all of it must hold; an empty one selects everything.
    KubernetesSelector {
        /// Labels with their values.
        match_labels: Labels = "matchLabels";
        /// Conditions on labels.
        match_expressions: Vec<SelectorRequirement> = "matchExpressions";
    }
}

message! {
    /// One of `matchExpressions`.
    SelectorRequirement {
        /// Label.
        key: String = "key" => required();
        /// Condition.
        operator: Option<SelectorOperator> = "operator" => required();
        /// For `In` and `NotIn`.
        values: Vec<String> = "values";
    }
    check check_requirement
}

choice! {
    /// `operator` of a label selector.
    SelectorOperator {
        /// The value is one of them.
        In = 0 "In",
        /// The value is none of them, or there is none.
        NotIn = 1 "NotIn",
        /// There is a value.
        Exists = 2 "Exists",
        /// There is none.
        DoesNotExist = 3 "DoesNotExist",
    }
}

/// Label that each namespace has by itself: its name.
const NAME: &str = "kubernetes.io/metadata.name";

fn check_requirement(requirement: &SelectorRequirement, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    if let Some(key) = field.child("key")
        && let Err(why) = names::qualified_name(&requirement.key)
        && key.node.text().is_some()
    {
        let message = format!("{} is not the key of a label: {why}", quoted(&requirement.key));
        decoder.report(code::BAD_LABEL, &key, message, "");
    }
    for value in field.child("values").map(|values| values.each()).unwrap_or_default() {
        if let Some(text) = value.node.text()
            && let Err(why) = names::label_value(text)
        {
            let message = format!("{} is not the value of a label: {why}", quoted(text));
            decoder.report(code::BAD_LABEL, &value, message, "");
        }
    }
    let Some(operator) = requirement.operator else { return };
    let wants_values = matches!(operator, SelectorOperator::In | SelectorOperator::NotIn);
    let given = field.child("values").is_some_and(|values| !values.each().is_empty());
    if wants_values && field.child("values").is_none_or(|values| values.is_empty_list()) {
        let message = format!("`{}` needs `values`", operator.as_str());
        decoder.report(code::MISSING, &field.at("values"), message, "to ask for any value write `Exists`");
    } else if !wants_values && given {
        let message = format!("`{}` takes no `values`", operator.as_str());
        decoder.report(code::CONFLICT, &field.at("values"), message, "remove them, or write `In`");
    }
}

// === impl KubernetesSelector ===

impl KubernetesSelector {
    /// Whether it selects the namespace of that name, which has these labels and its name as one more.
    pub fn selects_namespace(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        self.selects(|key| if key == NAME { Some(name) } else { labels.get(key).map(String::as_str) })
    }

    /// Whether all that it asks for holds. What could not be read of it selects nothing.
    fn selects<'l>(&self, label: impl Fn(&str) -> Option<&'l str>) -> bool {
        let labels = self.match_labels.0.iter().all(|(key, value)| label(key) == Some(value));
        labels
            && self.match_expressions.iter().all(|asked| {
                let found = label(&asked.key);
                let among = || found.is_some_and(|found| asked.values.iter().any(|value| value == found));
                match asked.operator {
                    Some(SelectorOperator::In) => among(),
                    Some(SelectorOperator::NotIn) => !among(),
                    Some(SelectorOperator::Exists) => found.is_some(),
                    Some(SelectorOperator::DoesNotExist) => found.is_none(),
                    None => false,
                }
            })
    }
}

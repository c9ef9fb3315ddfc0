//! Selecting by labels, as `-l` of kubectl does.

use std::str::FromStr;

use serde_json::Value;

/// What labels must be like, all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels(Vec<Term>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Term {
    Has(String),
    HasNot(String),
    Is(String, String),
    /// Another value, or none.
    IsNot(String, String),
}

// === impl Labels ===

impl Labels {
    /// Whether an object with these labels, a JSON object, is meant.
    pub fn select(&self, labels: &Value) -> bool {
        let of = |key: &str| labels[key].as_str();
        self.0.iter().all(|term| match term {
            Term::Has(key) => of(key).is_some(),
            Term::HasNot(key) => of(key).is_none(),
            Term::Is(key, value) => of(key) == Some(value),
            Term::IsNot(key, value) => of(key) != Some(value),
        })
    }
}

impl FromStr for Labels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let terms = text.split(',').map(|term| {
            let term = term.trim();
            let owned = |key: &str, value: &str| (key.trim().to_owned(), value.trim().to_owned());
            let parsed = if let Some((key, value)) = term.split_once("!=") {
                let (key, value) = owned(key, value);
                Term::IsNot(key, value)
            } else if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
                let (key, value) = owned(key, value);
                Term::Is(key, value)
            } else if let Some(key) = term.strip_prefix('!') {
                Term::HasNot(key.trim().to_owned())
            } else {
                Term::Has(term.to_owned())
            };
            let (Term::Has(key) | Term::HasNot(key) | Term::Is(key, _) | Term::IsNot(key, _)) = &parsed;
            let is_key = !key.is_empty() && !key.contains(char::is_whitespace);
            is_key
                .then_some(parsed)
                .ok_or_else(|| format!("{term:?} is not `key`, `!key`, `key=value` or `key!=value`"))
        });
        terms.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_are_selected_as_kubectl_does() {
        let labels = json!({ "app": "web", "version": "v1" });
        for (text, is_selected) in [
            ("app", true),
            ("!app", false),
            ("app=web", true),
            ("app == web, version!=v2", true),
            ("app=web,version=v2", false),
            ("tier!=front", true),
            ("!tier", true),
            ("tier", false),
        ] {
            assert_eq!(text.parse::<Labels>().unwrap().select(&labels), is_selected, "{text}");
        }
        assert!("app in (a".parse::<Labels>().is_err());
        assert!("".parse::<Labels>().is_err());
    }
}

//! Which namespaces a waypoint serves: `allowedRoutes` of a listener, as the Gateway API has it.

use std::collections::BTreeMap;

use crate::{
    decode::{Decoder, Field},
    finding::code,
    istio::KubernetesSelector,
    schema::{choice, message},
};

message! {
    /// `allowedRoutes`.
    AllowedRoutes {
        /// Namespaces.
        namespaces: ServedNamespaces = "namespaces";
    }
}

message! {
    /// `allowedRoutes.namespaces`.
    ServedNamespaces {
        /// Nothing: `Same`.
        from: Option<NamespacesFrom> = "from";
        /// For `Selector`: labels of namespaces.
        selector: Option<KubernetesSelector> = "selector";
    }
    check check_selector
}

choice! {
    /// `from` of `allowedRoutes.namespaces`.
    NamespacesFrom {
        /// The own one.
        Same = 0 "Same",
        /// All of them.
        All = 1 "All",
        /// Those that the selector selects.
        Selector = 2 "Selector",
        /// None at all.
        None = 3 "None",
    }
}

fn check_selector(served: &ServedNamespaces, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    let selects = served.from == Some(NamespacesFrom::Selector);
    match field.child("selector") {
        None if selects => {
            let message = "`from: Selector` needs a `selector`";
            decoder.report(code::MISSING, &field.at("selector"), message, "without it no namespace is served");
        }
        Some(selector) if !selects => {
            let message = "`selector` has no effect without `from: Selector`";
            decoder.report(code::CONFLICT, &selector, message, "write `from: Selector`, or remove it");
        }
        _ => {}
    }
}

// === impl ServedNamespaces ===

impl ServedNamespaces {
    /// Whether a waypoint in `own` serves `namespace`, which has these labels.
    pub fn includes(&self, own: &str, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        match self.from.unwrap_or(NamespacesFrom::Same) {
            NamespacesFrom::Same => own == namespace,
            NamespacesFrom::All => true,
            NamespacesFrom::Selector => {
                self.selector.as_ref().is_some_and(|selector| selector.selects_namespace(namespace, labels))
            }
            NamespacesFrom::None => false,
        }
    }
}

#[cfg(test)]
mod tests;

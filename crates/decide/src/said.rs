//! Values that remember who says so.

use ripstop_model::RuleId;

/// A value, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<T> {
    /// The value.
    pub value: T,
    /// The object, or the place inside it; nothing: the mesh's defaults.
    pub by: Option<RuleId>,
}

// === impl Said ===

impl<T> Said<T> {
    pub(crate) fn new(value: T, by: &RuleId) -> Self {
        Self { value, by: Some(by.clone()) }
    }
}

//! What is told of a decision while it is made.

use super::{CallStep, Story};

/// The steps of a decision; where nobody asked for them, they are not even made.
pub(crate) struct Trace {
    story: Story,
    steps: Vec<CallStep>,
}

// === impl Trace ===

impl Trace {
    /// Nothing so far.
    pub(super) fn new(story: Story) -> Self {
        Self { story, steps: Vec::new() }
    }

    /// Nobody asks for it.
    pub(crate) fn none() -> Self {
        Self::new(Story::Short)
    }

    /// Whether anybody asks for it.
    pub(super) fn is_wanted(&self) -> bool {
        self.story == Story::Whole
    }

    /// Tells of a step.
    pub(super) fn push(&mut self, step: impl FnOnce() -> CallStep) {
        if self.is_wanted() {
            self.steps.push(step());
        }
    }

    /// Tells of a step that may have been told of.
    pub(super) fn push_once(&mut self, step: impl FnOnce() -> CallStep) {
        if self.is_wanted() {
            let step = step();
            if !self.steps.contains(&step) {
                self.steps.push(step);
            }
        }
    }

    /// All of them, in order.
    pub(super) fn into_steps(self) -> Vec<CallStep> {
        self.steps
    }
}

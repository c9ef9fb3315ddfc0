//! The cases, by codec. To add one, add it to the list of its codec.

mod h1;
mod h2;
mod hpack;
#[cfg(feature = "tls")]
mod tls;

/// Operations before those that count, so that tables are full and buffers have their size.
const WARM_UP: u32 = 256;

/// Something that is measured.
pub struct Case {
    /// `codec/operation/input`.
    pub name: &'static str,
    /// Prepares; what comes out is one operation.
    prepare: fn() -> Box<dyn FnMut()>,
}

/// All cases.
pub fn all() -> Vec<Case> {
    [
        hpack::cases(),
        h2::cases(),
        h1::cases(),
        #[cfg(feature = "tls")]
        tls::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

// === impl Case ===

impl Case {
    fn new(name: &'static str, prepare: fn() -> Box<dyn FnMut()>) -> Self {
        Self { name, prepare }
    }

    /// Executes the operation so many times; how many allocations that took.
    pub fn run(&self, times: u32) -> u32 {
        let mut operation = self.warm();
        let allocations = allocation_counter::measure(|| (0..times).for_each(|_| operation())).count_total;
        u32::try_from(allocations).unwrap_or(u32::MAX)
    }

    /// The operation, after some that do not count.
    pub fn warm(&self) -> Box<dyn FnMut()> {
        let mut operation = (self.prepare)();
        (0..WARM_UP).for_each(|_| operation());
        operation
    }
}

/// An operation on each of the inputs in turn.
fn in_turn<T: 'static>(inputs: Vec<T>, mut operation: impl FnMut(&T) + 'static) -> Box<dyn FnMut()> {
    let mut next = 0;
    Box::new(move || {
        operation(&inputs[next]);
        next = if next + 1 == inputs.len() { 0 } else { next + 1 };
    })
}

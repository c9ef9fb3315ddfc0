//! Waiting for conditions.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Time between two looks at a condition.
const LOOK: Duration = Duration::from_millis(50);

/// Looks at `condition` until it gives something; fails with its last error, or with what was
/// waited for, when `deadline` has passed.
pub fn wait_for<T>(what: &str, deadline: Duration, mut condition: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let until = Instant::now() + deadline;
    loop {
        let last = match condition() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        if Instant::now() >= until {
            match last {
                Some(error) => return Err(error.context(format!("waited {deadline:?} for {what}"))),
                None => bail!("waited {deadline:?} for {what}"),
            }
        }
        #[expect(clippy::disallowed_methods, reason = "the pause between two looks at a condition")]
        std::thread::sleep(LOOK);
    }
}

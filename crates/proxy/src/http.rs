//! HTTP in the proxy.

#[expect(dead_code, reason = "the engine comes next")]
mod filters;

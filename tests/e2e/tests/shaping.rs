//! What rules do to requests besides choosing where they go, at the caller's node.

#[path = "shaping/mirrors.rs"]
mod mirrors;

//! What is answered about small meshes of files.

mod callers;
mod check;
mod endpoints;
mod limits;
mod service;
mod tokens;
mod waypoints;
mod world;

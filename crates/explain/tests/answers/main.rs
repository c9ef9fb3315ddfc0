//! What is answered about small meshes of files.

mod check;
mod endpoints;
mod tokens;
mod world;

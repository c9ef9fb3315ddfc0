//! What is answered about small meshes of files.

mod endpoints;
mod tokens;
mod world;

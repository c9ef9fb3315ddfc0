//! What is answered about small meshes of files.

mod tokens;
mod world;

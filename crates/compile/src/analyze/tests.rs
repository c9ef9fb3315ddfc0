//! Rules over whole meshes.

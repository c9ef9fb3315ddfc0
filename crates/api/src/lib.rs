//! What users write, read with positions.
//!
//! Text is split at document marks and parsed into a positioned tree; `Decode`
//! reads plain types from it, collects *all* findings of a document and keeps
//! where each field stood. [`parse_file`] is the way in: it turns one file into
//! [`Object`]s and [`Finding`]s. One module a dialect: [`kubernetes`], [`istio`],
//! [`ripstop`].
//!
//! [`edit`] goes the other way: it changes labels and annotations in the text and
//! leaves everything else as it is. [`format`](mod@format) changes the layout only.
//!
//! This crate does no I/O and knows nothing of the mesh's model.

mod decode;
mod document;
pub mod edit;
mod embedded;
pub mod enrolment;
pub mod finding;
pub mod format;
pub mod istio;
mod json;
mod kinds;
pub mod kubernetes;
mod names;
pub mod object;
mod parse;
mod quantity;
pub mod ripstop;
mod schema;
mod shape;
mod split;
mod tree;
mod untyped;
mod yaml;

pub use finding::{Finding, Level, Position};
pub use names::nearest;
pub use object::{Kind, Meta, Object, ObjectId, Source, Spec};
pub use parse::{Parsed, parse_file};
pub use untyped::to_json;

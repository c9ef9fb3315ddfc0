//! Versioned objects: who, when, what, and their last good state.
//!
//! [`DirectoryStore`] keeps the objects of a directory of YAML and JSON files and
//! watches it; each change becomes a [`StoreSnapshot`] of [`StoredObject`]s with
//! their age and generation. An object that is broken, half-written or unreadable
//! at the moment keeps its last good state, over restarts too; an object that was
//! removed is gone.
//!
//! What is in the files is `api`'s business, what it means `compile`'s.

mod catalog;
mod change;
mod directory;
mod edit;
mod error;
mod finding;
mod scan;
mod settle;
mod state;
mod version;
mod watch;

pub use catalog::{StoreSnapshot, StoredObject, read_texts};
pub use change::{Placed, Wish};
pub use directory::DirectoryStore;
pub use edit::{Done, Edited};
pub use error::Error;
pub use finding::{CODES, unreadable};

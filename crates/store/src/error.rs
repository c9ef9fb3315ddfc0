//! What can go wrong when a store is opened or edited.

use std::{io, path::PathBuf};

use ripstop_api::ObjectId;
use thiserror::Error;

/// Why a store could not be opened or an edit not be made.
#[derive(Debug, Error)]
pub enum Error {
    /// The directory of configuration cannot be read.
    #[error("the configuration directory {path} cannot be read: {source}; does it exist, and may this user read it?")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The directory of state cannot be made or read.
    #[error("the state directory {path} cannot be used: {source}")]
    State {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no such object.
    #[error("{0} is declared nowhere; declare it in a file of the mesh's directory")]
    NotFound(ObjectId),
    /// The file that holds the object cannot be read or written.
    #[error("{file} cannot be {action}: {source}")]
    File {
        /// The file.
        file: PathBuf,
        /// `read`, `made`, `written` or `removed`.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The file changed again and again while it was edited.
    #[error("{file} is being changed by someone else; try again")]
    Busy {
        /// The file.
        file: PathBuf,
    },
    /// The file is of a sort that only its owner should edit.
    #[error("{file} is edited by hand only: {why}")]
    ByHand {
        /// The file.
        file: PathBuf,
        /// What sort.
        why: &'static str,
    },
    /// The text cannot be edited safely.
    #[error("{id} in {file} cannot be edited: {source}")]
    Edit {
        /// The object.
        id: ObjectId,
        /// The file.
        file: PathBuf,
        /// Why.
        source: Box<ripstop_api::edit::EditError>,
    },
    /// The file that declares the object does not say so as it is now.
    #[error(
        "{file}, which declares {id}, is broken{}: what it said before acts; mend that file, or delete it",
        place(finding.as_deref())
    )]
    Broken {
        /// The object.
        id: ObjectId,
        /// The file.
        file: PathBuf,
        /// What is wrong with it, as far as known.
        finding: Option<Box<ripstop_api::Finding>>,
    },
    /// The edited text would be wrong.
    #[error("nothing was changed, {id} would be wrong: {}", told(finding))]
    Invalid {
        /// The object.
        id: ObjectId,
        /// The file.
        file: PathBuf,
        /// What would be wrong.
        finding: Box<ripstop_api::Finding>,
    },
    /// The file system does not answer.
    #[error("the edit took more than 10 s and may or may not have been made; does the file system answer?")]
    Slow,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

/// Where a file is broken, and how.
fn place(finding: Option<&ripstop_api::Finding>) -> String {
    let told = finding.map(|finding| match finding.position.line {
        0 => format!(" ({})", finding.message),
        line => format!(" (line {line}: {})", finding.message),
    });
    told.unwrap_or_default()
}

/// What would be wrong, without a place: the text was not written.
fn told(finding: &ripstop_api::Finding) -> String {
    let path = if finding.path.is_empty() { String::new() } else { format!("{}: ", finding.path) };
    let hint = if finding.hint.is_empty() { String::new() } else { format!(" ({})", finding.hint) };
    format!("{path}{}{hint}", finding.message)
}

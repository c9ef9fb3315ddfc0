//! The codes of findings about files.

use ripstop_api::{Finding, Level, ObjectId, Position, finding::Code};

/// Every code that the store can raise, in order.
pub const CODES: &[Code] = &[DECLARED_TWICE, UNREADABLE, TOO_MANY, STATE_NOT_SAVED, NOT_WATCHED];

pub(crate) const DECLARED_TWICE: Code = Code {
    code: "RS301",
    level: Level::Error,
    meaning: "an object is declared in two files; the one that was seen first stays",
};
pub(crate) const UNREADABLE: Code = Code {
    code: "RS302",
    level: Level::Error,
    meaning: "a file or directory cannot be read; the last good state of its objects stays",
};
pub(crate) const TOO_MANY: Code =
    Code { code: "RS303", level: Level::Error, meaning: "there are more files, or deeper directories, than are read" };
pub(crate) const STATE_NOT_SAVED: Code = Code {
    code: "RS304",
    level: Level::Warning,
    meaning: "the last good state cannot be saved: a restart would fall back to an older one",
};
pub(crate) const NOT_WATCHED: Code = Code {
    code: "RS305",
    level: Level::Info,
    meaning: "files cannot be watched and are looked at at intervals instead",
};

/// The finding about a file that can't be read, as `reason` says.
pub fn unreadable(file: &str, reason: &str) -> Finding {
    of_file(
        UNREADABLE,
        file,
        reason.to_owned(),
        "what it declares is not looked at: give the right to read it, or mend it",
    )
}

/// A finding about a file as a whole.
pub(crate) fn of_file(code: Code, file: &str, message: String, hint: &str) -> Finding {
    let position = Position { file: file.to_owned(), line: 0, column: 0 };
    make(code, None, position, message, hint)
}

/// A finding about an object.
pub(crate) fn of_object(code: Code, id: &ObjectId, position: Position, message: String, hint: &str) -> Finding {
    make(code, Some(id.clone()), position, message, hint)
}

fn make(code: Code, object: Option<ObjectId>, position: Position, message: String, hint: &str) -> Finding {
    Finding {
        code: code.code,
        level: code.level,
        object,
        path: String::new(),
        position,
        message,
        hint: hint.to_owned(),
    }
}

//! What can be wrong with what users write about telemetry.

use thiserror::Error;

/// Why a format or a tap is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Error {
    /// It is longer than formats may be, or has more operators.
    #[error("the access log format is too long: at most {bytes} bytes and {operators} operators are taken")]
    FormatTooLong {
        /// Bytes taken.
        bytes: usize,
        /// Operators taken.
        operators: usize,
    },
    /// A `%` begins no operator.
    #[error(
        "the access log format is not valid at byte {at}: expected %NAME%, %NAME(parameters)% or \
         %NAME(parameters):length%; write %% for a percent sign"
    )]
    Syntax {
        /// Where the `%` is.
        at: usize,
    },
    /// No such operator.
    #[error("the access log operator %{0}% does not exist; check its spelling")]
    UnknownOperator(String),
    /// An operator that Envoy has.
    #[error("the access log operator %{0}% is not supported; take it out of the format")]
    UnsupportedOperator(String),
    /// An operator with parameters that it does not take, or without those that it needs.
    #[error("the access log operator %{operator}% {problem}")]
    Parameters {
        /// Its name.
        operator: String,
        /// What is wrong, and what is expected.
        problem: &'static str,
    },
    /// Not JSON, or JSON that is no format.
    #[error("the access log format is not valid JSON of texts, numbers, lists and objects: {0}")]
    Json(String),
    /// There are as many taps as there may be.
    #[error("{0} taps are open, more are not taken; close one")]
    TooManyTaps(usize),
    /// A filter of records that is none.
    #[error("{key}={value}: {hint}")]
    Filter {
        /// What was to be filtered by.
        key: Box<str>,
        /// How.
        value: Box<str>,
        /// What to write.
        hint: &'static str,
    },
}

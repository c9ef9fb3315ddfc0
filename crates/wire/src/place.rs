//! Places inside a resource that is being decoded. A place is put into words only where something is wrong.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use crate::{DecodeError, field::Context};

/// A field, or an element of one, with all that it lies in.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    context: Context<'a>,
    parent: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    /// The message itself.
    Whole,
    Field(&'a str),
    Index(usize),
    Key(&'a dyn fmt::Debug),
}

impl<'a> Place<'a> {
    /// The whole message of a resource.
    pub(crate) fn new(context: Context<'a>) -> Self {
        Self { context, parent: None, step: Step::Whole }
    }

    /// A field of the message that stands here.
    pub(crate) fn field<'b>(&'b self, name: &'b str) -> Place<'b> {
        self.inside(Step::Field(name))
    }

    pub(crate) fn error(&self, reason: impl Into<String>) -> DecodeError {
        self.context.error(self.to_string(), reason)
    }

    /// A string that must not be empty.
    pub(crate) fn required(&self, text: String) -> Result<Arc<str>, DecodeError> {
        if text.is_empty() { Err(self.error("must not be empty")) } else { Ok(text.into()) }
    }

    /// What must be set.
    pub(crate) fn set<T>(&self, message: Option<T>) -> Result<T, DecodeError> {
        message.ok_or_else(|| self.error("it is missing"))
    }

    /// A value of an enumeration.
    pub(crate) fn enumerated<E: TryFrom<i32>>(&self, number: i32) -> Result<E, DecodeError> {
        E::try_from(number).map_err(|_| self.error(format!("{number} is not a known value")))
    }

    /// A number of 16 bits, as ports and status codes are.
    pub(crate) fn short(&self, number: u32) -> Result<u16, DecodeError> {
        u16::try_from(number).map_err(|_| self.error(format!("{number} is more than 65535")))
    }

    /// Numbers of 16 bits.
    pub(crate) fn shorts(&self, numbers: Vec<u32>) -> Result<Vec<u16>, DecodeError> {
        let element = |(index, number)| self.inside(Step::Index(index)).short(number);
        numbers.into_iter().enumerate().map(element).collect()
    }

    /// A string in the form of `T`.
    pub(crate) fn parsed<T: FromStr<Err: fmt::Display>>(&self, text: &str) -> Result<T, DecodeError> {
        text.parse().map_err(|error| self.error(format!("{text:?}: {error}")))
    }

    /// Every element of a list.
    pub(crate) fn all<M, T>(
        &self,
        messages: Vec<M>,
        read: impl Fn(&Place<'_>, M) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let element = |(index, message)| read(&self.inside(Step::Index(index)), message);
        messages.into_iter().enumerate().map(element).collect()
    }

    /// Every entry of a map.
    pub(crate) fn each<K: fmt::Debug, M, L: Ord, T>(
        &self,
        messages: BTreeMap<K, M>,
        read: impl Fn(&Place<'_>, &K, M) -> Result<(L, T), DecodeError>,
    ) -> Result<BTreeMap<L, T>, DecodeError> {
        let entry = |(key, message)| read(&self.inside(Step::Key(&key)), &key, message);
        messages.into_iter().map(entry).collect()
    }

    fn inside<'b>(&'b self, step: Step<'b>) -> Place<'b> {
        Place { context: self.context, parent: Some(self), step }
    }
}

impl fmt::Display for Place<'_> {
    /// `http[0].matches[1].uri`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.parent else { return Ok(()) };
        parent.fmt(f)?;
        match self.step {
            Step::Whole => Ok(()),
            Step::Field(name) if matches!(parent.step, Step::Whole) => f.write_str(name),
            Step::Field(name) => write!(f, ".{name}"),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{key:?}]"),
        }
    }
}

//! What a route changes in a head.

use ripstop_h1::Reason;

/// Changes of a request's or response's head. They mean the same whichever versions of HTTP it comes from and goes to:
/// fields that a [`FieldChange::Set`] or [`FieldChange::Remove`] names are taken out of what came, and then what is set
/// or added stands behind the others, in order.
///
/// Fields of the connection and of framing are none of these changes' business: to set one is an error, to remove one
/// does nothing. The host changes by [`HeadChanges::authority`].
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadChanges<'c> {
    /// Another path, with its query. Of requests that have one.
    pub path: Option<&'c [u8]>,
    /// Another host, with its port. Of requests.
    pub authority: Option<&'c [u8]>,
    /// What happens to fields.
    pub fields: &'c [FieldChange<'c>],
    /// How the body goes on.
    pub framing: Framing,
}

/// How a body goes on. Of HTTP/2 on the side of the upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// As it came.
    #[default]
    Kept,
    /// Written anew ([`crate::Pump::recode`]): how long it will be is not known, and trailers are welcome.
    Anew,
}

/// What happens to a field. Names are of any case; HTTP/2 gets them in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldChange<'c> {
    /// It has this value and no other.
    Set {
        /// The field's name.
        name: &'c [u8],
        /// Its value.
        value: &'c [u8],
    },
    /// It has this value beside those that it has.
    Add {
        /// The field's name.
        name: &'c [u8],
        /// Its value.
        value: &'c [u8],
    },
    /// It is gone.
    Remove {
        /// The field's name.
        name: &'c [u8],
    },
}

impl<'c> HeadChanges<'c> {
    /// No changes.
    pub const NONE: HeadChanges<'static> =
        HeadChanges { path: None, authority: None, fields: &[], framing: Framing::Kept };

    /// Whether a field of what came stays.
    pub(crate) fn keeps(&self, name: &[u8]) -> bool {
        !self.fields.iter().any(|change| match change {
            FieldChange::Set { name: changed, .. } | FieldChange::Remove { name: changed } => {
                changed.eq_ignore_ascii_case(name)
            }
            FieldChange::Add { .. } => false,
        })
    }

    /// What stands behind the fields that stay.
    pub(crate) fn appended(&self) -> impl Iterator<Item = (&'c [u8], &'c [u8])> + use<'c> {
        self.fields.iter().filter_map(|change| match *change {
            FieldChange::Set { name, value } | FieldChange::Add { name, value } => Some((name, value)),
            FieldChange::Remove { .. } => None,
        })
    }

    /// Whether nothing is set that can't be. To be asked before an answer is begun, since then there is no way back.
    pub(crate) fn check(&self) -> Result<(), Reason> {
        self.appended().try_for_each(|(name, value)| match Place::of(name) {
            Place::Message if !is_token(name) => Err(Reason::BadName),
            Place::Message if !value.iter().all(|byte| is_of_value(*byte)) => Err(Reason::BadValue),
            Place::Message if value.trim_ascii() != value => Err(Reason::PaddedValue),
            Place::Message => Ok(()),
            Place::Connection => Err(Reason::HopByHop),
            Place::Framing => Err(Reason::Framing),
            Place::Host => Err(Reason::DuplicateHost),
        })
    }
}

/// What a field is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The message: it goes from end to end.
    Message,
    /// The connection it came over.
    Connection,
    /// Where the message ends.
    Framing,
    /// Whom it is for.
    Host,
}

impl Place {
    /// Of a field's name, in any case.
    pub(crate) fn of(name: &[u8]) -> Self {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match name.len() {
            2 if is("te") => Self::Connection,
            4 if is("host") => Self::Host,
            7 if is("upgrade") => Self::Connection,
            10 if is("connection") || is("keep-alive") => Self::Connection,
            14 if is("content-length") => Self::Framing,
            14 if is("http2-settings") => Self::Connection,
            16 if is("proxy-connection") => Self::Connection,
            17 if is("transfer-encoding") => Self::Framing,
            _ => Self::Message,
        }
    }
}

/// Whether it is a token (RFC 9110 5.6.2).
fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// Whether a field's value may have it (RFC 9110 5.5).
fn is_of_value(byte: u8) -> bool {
    byte == b'\t' || byte >= b' ' && byte != 0x7f
}

#[cfg(test)]
mod tests;

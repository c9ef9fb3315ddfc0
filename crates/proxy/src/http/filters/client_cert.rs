//! What becomes of `x-forwarded-client-cert`, by which a proxy tells of its client's certificate.

use super::{Fields, edits::Edits};

/// Its name.
const NAME: &str = "x-forwarded-client-cert";

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientCert<'a> {
    /// It is taken away.
    Ends,
    /// It goes on as it came.
    Passes,
    /// This is added.
    Appended(&'a str),
    /// It is this.
    Set(&'a str),
}

// === impl ClientCert ===

impl<'a> ClientCert<'a> {
    /// Whether a field is it, its name in any case.
    pub fn is(name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(NAME.as_bytes())
    }

    /// Changes it; it is taken away already if it ends.
    pub fn tell(self, headers: &dyn Fields, edits: &mut Edits<'a>) {
        match self {
            Self::Ends | Self::Passes => {}
            Self::Set(told) => edits.set(NAME, told),
            Self::Appended(told) => {
                let mut chain = Vec::new();
                headers.visit(NAME, &mut |value| {
                    chain.extend_from_slice(value);
                    chain.push(b',');
                });
                chain.extend_from_slice(told.as_bytes());
                edits.set(NAME, chain);
            }
        }
    }
}

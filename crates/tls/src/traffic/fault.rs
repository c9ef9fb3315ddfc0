//! A rule that the peer broke, and how it is told.

use rustls::{AlertDescription, Error};

/// Why the session ends, in rustls' terms, and the alert that goes to the peer, if any.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) error: Error,
    pub(crate) alert: Option<AlertDescription>,
}

// === impl Fault ===

impl Fault {
    pub(crate) fn new(error: impl Into<Error>, alert: AlertDescription) -> Self {
        Self { error: error.into(), alert: Some(alert) }
    }

    /// A message that must not come now, or not in this form.
    pub(crate) fn unexpected(error: impl Into<Error>) -> Self {
        Self::new(error, AlertDescription::UnexpectedMessage)
    }

    /// A record that was not protected, after the handshake.
    pub(crate) fn outer_type(kind: u8) -> Self {
        match rustls::ContentType::from(kind) {
            rustls::ContentType::Unknown(_) => Self::unexpected(rustls::InvalidMessage::InvalidContentType),
            got_type => Self::unexpected(Error::InappropriateMessage {
                expect_types: vec![rustls::ContentType::ApplicationData],
                got_type,
            }),
        }
    }

    pub(crate) fn oversized() -> Self {
        Self::new(Error::PeerSentOversizedRecord, AlertDescription::RecordOverflow)
    }

    /// What the peer said by a fatal alert; it gets no answer.
    pub(crate) fn received(alert: AlertDescription) -> Self {
        Self { error: Error::AlertReceived(alert), alert: None }
    }
}

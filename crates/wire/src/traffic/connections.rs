//! What proxies put up with of those who connect to them.

use ripstop_model::{ConnectionProfile, ConnectionSettings, EscapedSlashes, Underscores};

use super::value::{duration_to_wire, maybe_duration};
use crate::{
    DecodeError,
    place::Place,
    ripstop::{self, connection_settings as wire},
};

/// Nothing: nothing is said.
pub(super) fn connections_to_wire(settings: &ConnectionSettings) -> Option<ripstop::ConnectionSettings> {
    if *settings == ConnectionSettings::NONE {
        return None;
    }
    Some(ripstop::ConnectionSettings {
        edge: settings.profile == ConnectionProfile::Edge,
        kept: settings.kept,
        idle: settings.idle.map(duration_to_wire),
        request: settings.request.map(duration_to_wire),
        head: settings.head.map(duration_to_wire),
        stream_idle: settings.stream_idle.map(duration_to_wire),
        connection: settings.connection.map(duration_to_wire),
        stream: settings.stream.map(duration_to_wire),
        streams: settings.streams,
        stream_window: settings.stream_window,
        connection_window: settings.connection_window,
        underscores: match settings.underscores {
            None => wire::Underscores::Unset,
            Some(Underscores::Pass) => wire::Underscores::Pass,
            Some(Underscores::Refused) => wire::Underscores::Refused,
            Some(Underscores::Dropped) => wire::Underscores::Dropped,
        }
        .into(),
        merge_slashes: settings.merge_slashes,
        escaped_slashes: match settings.escaped_slashes {
            None => wire::EscapedSlashes::Unsaid,
            Some(EscapedSlashes::Kept) => wire::EscapedSlashes::Kept,
            Some(EscapedSlashes::Refused) => wire::EscapedSlashes::Rejected,
            Some(EscapedSlashes::Redirected) => wire::EscapedSlashes::Redirected,
            Some(EscapedSlashes::Decoded) => wire::EscapedSlashes::Decoded,
        }
        .into(),
        connections: settings.connections,
    })
}

pub(super) fn connections_from_wire(
    place: &Place<'_>,
    message: Option<ripstop::ConnectionSettings>,
) -> Result<ConnectionSettings, DecodeError> {
    let Some(message) = message else { return Ok(ConnectionSettings::NONE) };
    Ok(ConnectionSettings {
        profile: if message.edge { ConnectionProfile::Edge } else { ConnectionProfile::Usual },
        kept: message.kept,
        idle: maybe_duration(&place.field("idle"), message.idle)?,
        request: maybe_duration(&place.field("request"), message.request)?,
        head: maybe_duration(&place.field("head"), message.head)?,
        stream_idle: maybe_duration(&place.field("stream_idle"), message.stream_idle)?,
        connection: maybe_duration(&place.field("connection"), message.connection)?,
        stream: maybe_duration(&place.field("stream"), message.stream)?,
        streams: message.streams,
        stream_window: message.stream_window,
        connection_window: message.connection_window,
        underscores: match place.field("underscores").enumerated(message.underscores)? {
            wire::Underscores::Unset => None,
            wire::Underscores::Pass => Some(Underscores::Pass),
            wire::Underscores::Refused => Some(Underscores::Refused),
            wire::Underscores::Dropped => Some(Underscores::Dropped),
        },
        merge_slashes: message.merge_slashes,
        escaped_slashes: match place.field("escaped_slashes").enumerated(message.escaped_slashes)? {
            wire::EscapedSlashes::Unsaid => None,
            wire::EscapedSlashes::Kept => Some(EscapedSlashes::Kept),
            wire::EscapedSlashes::Rejected => Some(EscapedSlashes::Refused),
            wire::EscapedSlashes::Redirected => Some(EscapedSlashes::Redirected),
            wire::EscapedSlashes::Decoded => Some(EscapedSlashes::Decoded),
        },
        connections: message.connections,
    })
}

#[cfg(test)]
pub(super) mod tests;

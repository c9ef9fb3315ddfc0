//! Limits of connections.

use std::time::Duration;

use ripstop_model::{ConnectionKey, ConnectionLimit, MostConnections, RuleId};

use crate::{
    DecodeError,
    place::Place,
    ripstop::{self, connection_limit::Key},
    traffic::value::{duration_to_wire, set_duration},
};

pub(super) fn to_wire(limit: &ConnectionLimit) -> ripstop::ConnectionLimit {
    let (count, interval, burst) = match limit.most {
        MostConnections::New { count, interval, burst } => (count, Some(duration_to_wire(interval)), burst),
        MostConnections::Open(count) => (count, None, 0),
    };
    let key = match limit.key {
        ConnectionKey::All => Key::All,
        ConnectionKey::Identity => Key::Identity,
        ConnectionKey::SourceAddress => Key::SourceAddress,
    };
    ripstop::ConnectionLimit {
        id: limit.id.to_string(),
        key: key.into(),
        count,
        interval,
        burst,
        dry_run: limit.dry_run,
    }
}

/// Of new ones.
pub(super) fn rate_from_wire(
    place: &Place<'_>,
    limit: ripstop::ConnectionLimit,
) -> Result<ConnectionLimit, DecodeError> {
    let interval = set_duration(&place.field("interval"), limit.interval)?;
    if interval < Duration::from_millis(1) {
        return Err(place.field("interval").error("it is shorter than a millisecond"));
    }
    let (count, burst) = (some(place, "count", limit.count)?, some(place, "burst", limit.burst)?);
    from_wire(place, limit, MostConnections::New { count, interval, burst })
}

/// Of open ones.
pub(super) fn open_from_wire(
    place: &Place<'_>,
    limit: ripstop::ConnectionLimit,
) -> Result<ConnectionLimit, DecodeError> {
    if limit.interval.is_some() {
        return Err(place.field("interval").error("open connections have none"));
    }
    let most = MostConnections::Open(some(place, "count", limit.count)?);
    from_wire(place, limit, most)
}

fn from_wire(
    place: &Place<'_>,
    limit: ripstop::ConnectionLimit,
    most: MostConnections,
) -> Result<ConnectionLimit, DecodeError> {
    let key = match place.field("key").enumerated(limit.key)? {
        Key::All => ConnectionKey::All,
        Key::Identity => ConnectionKey::Identity,
        Key::SourceAddress => ConnectionKey::SourceAddress,
    };
    Ok(ConnectionLimit { id: RuleId(place.field("id").required(limit.id)?), key, most, dry_run: limit.dry_run })
}

fn some(place: &Place<'_>, field: &str, number: u32) -> Result<u32, DecodeError> {
    match number {
        0 => Err(place.field(field).error("0 lets nothing pass")),
        number => Ok(number),
    }
}

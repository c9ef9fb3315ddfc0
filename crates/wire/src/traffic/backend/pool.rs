//! Limits and ejection.

use ripstop_model::{ConnectionPool, HttpUpgrade, Keepalive, OutlierDetection};

use crate::{
    DecodeError,
    place::Place,
    ripstop::{self, connection_pool},
    traffic::value::{duration_to_wire, maybe_duration, set_duration},
};

pub(crate) fn pool_to_wire(pool: &ConnectionPool) -> ripstop::ConnectionPool {
    let upgrade = match pool.upgrade {
        HttpUpgrade::Default => connection_pool::HttpUpgrade::Default,
        HttpUpgrade::No => connection_pool::HttpUpgrade::No,
        HttpUpgrade::Yes => connection_pool::HttpUpgrade::Yes,
        HttpUpgrade::AsClient => connection_pool::HttpUpgrade::AsClient,
    };
    ripstop::ConnectionPool {
        max_connections: pool.max_connections,
        connect_timeout: pool.connect_timeout.map(duration_to_wire),
        keepalive: pool.keepalive.map(keepalive_to_wire),
        max_connection_duration: pool.max_connection_duration.map(duration_to_wire),
        idle_timeout: pool.idle_timeout.map(duration_to_wire),
        http_idle_timeout: pool.http_idle_timeout.map(duration_to_wire),
        max_pending_requests: pool.max_pending_requests,
        max_requests: pool.max_requests,
        max_requests_per_connection: pool.max_requests_per_connection,
        max_retries: pool.max_retries,
        max_concurrent_streams: pool.max_concurrent_streams,
        upgrade: upgrade.into(),
        http2_keepalive: pool.http2_keepalive.map(|(interval, timeout)| ripstop::Ping {
            interval: Some(duration_to_wire(interval)),
            timeout: Some(duration_to_wire(timeout)),
        }),
    }
}

pub(crate) fn keepalive_to_wire(keepalive: Keepalive) -> ripstop::Keepalive {
    ripstop::Keepalive {
        probes: keepalive.probes,
        time: keepalive.time.map(duration_to_wire),
        interval: keepalive.interval.map(duration_to_wire),
    }
}

pub(crate) fn keepalive_from_wire(place: &Place<'_>, keepalive: ripstop::Keepalive) -> Result<Keepalive, DecodeError> {
    Ok(Keepalive {
        probes: keepalive.probes,
        time: maybe_duration(&place.field("time"), keepalive.time)?,
        interval: maybe_duration(&place.field("interval"), keepalive.interval)?,
    })
}

pub(crate) fn pool_from_wire(place: &Place<'_>, pool: ripstop::ConnectionPool) -> Result<ConnectionPool, DecodeError> {
    let time = |field: &str, duration| maybe_duration(&place.field(field), duration);
    let keepalive = |keepalive| keepalive_from_wire(&place.field("keepalive"), keepalive);
    let ping = |ping: ripstop::Ping| {
        let place = place.field("http2_keepalive");
        let interval = set_duration(&place.field("interval"), ping.interval)?;
        Ok((interval, set_duration(&place.field("timeout"), ping.timeout)?))
    };
    Ok(ConnectionPool {
        max_connections: pool.max_connections,
        connect_timeout: time("connect_timeout", pool.connect_timeout)?,
        keepalive: pool.keepalive.map(keepalive).transpose()?,
        max_connection_duration: time("max_connection_duration", pool.max_connection_duration)?,
        idle_timeout: time("idle_timeout", pool.idle_timeout)?,
        http_idle_timeout: time("http_idle_timeout", pool.http_idle_timeout)?,
        max_pending_requests: pool.max_pending_requests,
        max_requests: pool.max_requests,
        max_requests_per_connection: pool.max_requests_per_connection,
        max_retries: pool.max_retries,
        max_concurrent_streams: pool.max_concurrent_streams,
        upgrade: match place.field("upgrade").enumerated(pool.upgrade)? {
            connection_pool::HttpUpgrade::Default => HttpUpgrade::Default,
            connection_pool::HttpUpgrade::No => HttpUpgrade::No,
            connection_pool::HttpUpgrade::Yes => HttpUpgrade::Yes,
            connection_pool::HttpUpgrade::AsClient => HttpUpgrade::AsClient,
        },
        http2_keepalive: pool.http2_keepalive.map(ping).transpose()?,
    })
}

pub(crate) fn outlier_to_wire(outlier: &OutlierDetection) -> ripstop::OutlierDetection {
    ripstop::OutlierDetection {
        consecutive_5xx: outlier.consecutive_5xx,
        consecutive_gateway: outlier.consecutive_gateway,
        consecutive_local: outlier.consecutive_local,
        interval: Some(duration_to_wire(outlier.interval)),
        base_ejection: Some(duration_to_wire(outlier.base_ejection)),
        max_ejection_percent: outlier.max_ejection_percent,
        min_health_percent: outlier.min_health_percent,
        error_codes: outlier.error_codes.iter().map(|code| u32::from(*code)).collect(),
    }
}

pub(crate) fn outlier_from_wire(
    place: &Place<'_>,
    outlier: ripstop::OutlierDetection,
) -> Result<OutlierDetection, DecodeError> {
    Ok(OutlierDetection {
        consecutive_5xx: outlier.consecutive_5xx,
        consecutive_gateway: outlier.consecutive_gateway,
        consecutive_local: outlier.consecutive_local,
        interval: set_duration(&place.field("interval"), outlier.interval)?,
        base_ejection: set_duration(&place.field("base_ejection"), outlier.base_ejection)?,
        max_ejection_percent: outlier.max_ejection_percent,
        min_health_percent: outlier.min_health_percent,
        error_codes: place.field("error_codes").shorts(outlier.error_codes)?,
    })
}

//! What a table cannot say of limits of connections and of ejection.

use std::time::Duration;

use super::{
    ConnectionPool, H2Upgrade, Http2KeepAlive, HttpPool, OutlierDetection, TcpKeepalive, TcpPool,
    check::{check_duration, check_not_empty, check_percent},
};
use crate::{
    decode::{Decoder, Field},
    finding::code,
    tree::{Scalar, Type},
};

pub(super) fn check_pool(_: &ConnectionPool, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_not_empty(decoder, field, &["tcp", "http"]);
}

pub(super) fn check_tcp(tcp: &TcpPool, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_duration(decoder, field, "connectTimeout", tcp.connect_timeout);
    check_duration(decoder, field, "maxConnectionDuration", tcp.max_connection_duration);
    // 0 is no limit.
    check_duration(decoder, field, "idleTimeout", tcp.idle_timeout.filter(|idle| *idle != Duration::ZERO));
}

pub(super) fn check_keepalive(keepalive: &TcpKeepalive, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_duration(decoder, field, "time", keepalive.time);
    check_duration(decoder, field, "interval", keepalive.interval);
}

pub(super) fn check_http(http: &HttpPool, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_duration(decoder, field, "idleTimeout", http.idle_timeout);
    if http.h2_upgrade_policy == H2Upgrade::Upgrade && http.use_client_protocol == Some(true) {
        let message = "`useClientProtocol` excludes `h2UpgradePolicy: UPGRADE`";
        decoder.report(code::CONFLICT, &field.at("useClientProtocol"), message, "keep one of them");
    }
}

pub(super) fn check_http2_keep_alive(keep_alive: &Http2KeepAlive, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_duration(decoder, field, "interval", keep_alive.interval);
    check_duration(decoder, field, "timeout", keep_alive.timeout);
}

pub(super) fn check_ejection(ejection: &OutlierDetection, decoder: &mut Decoder<'_>, field: &Field<'_>) {
    check_duration(decoder, field, "interval", ejection.interval);
    check_duration(decoder, field, "baseEjectionTime", ejection.base_ejection_time);
    check_percent(decoder, field, "maxEjectionPercent", ejection.max_ejection_percent.map(f64::from));
    check_percent(decoder, field, "minHealthPercent", ejection.min_health_percent.map(f64::from));
    if ejection.consecutive_local_origin_failures.is_some_and(|failures| failures > 0)
        && !ejection.split_external_local_origin_errors
    {
        let message = "`consecutiveLocalOriginFailures` needs `splitExternalLocalOriginErrors: true`";
        let hint = "local failures are counted apart only then: add it, or use `consecutive5xxErrors`";
        decoder.report(code::CONFLICT, &field.at("consecutiveLocalOriginFailures"), message, hint);
    }
    for status in field.items("outlierDetectionHttpErrorCodes") {
        if let Some(Type::Integer(number)) = status.node.scalar().map(Scalar::kind)
            && (0..=i64::from(u32::MAX)).contains(&number)
            && !(100..=599).contains(&number)
        {
            let message = format!("{number} is out of range, 100 to 599 is allowed");
            decoder.report(code::OUT_OF_RANGE, &status, message, "");
        }
    }
}

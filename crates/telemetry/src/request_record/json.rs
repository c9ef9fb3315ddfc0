//! Records as lines of JSON.

use std::{fmt::Write as _, time::Duration};

use ripstop_model::SpiffeId;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::RequestRecord;
use crate::{
    access_log::{Direction, Party},
    exchange::Protocol,
    response_flags::ResponseFlag,
};

impl RequestRecord {
    /// Appends the record, as the proxy `proxy` saw it, as one line of JSON. What is not known is left out.
    pub fn write_json(&self, proxy: &str, out: &mut String) {
        let flags: Vec<&str> = self.flags.iter().map(ResponseFlag::as_str).collect();
        let service = self.service.as_ref().map(|key| json!({ "namespace": &*key.namespace, "host": &*key.hostname }));
        let mut record = json!({
            "proxy": proxy,
            "time": OffsetDateTime::from(self.start).format(&Rfc3339).unwrap_or_default(),
            "durationMs": millis(self.duration),
            "direction": match self.direction {
                Direction::Inbound => "inbound",
                Direction::Outbound => "outbound",
            },
            "source": party(&self.source),
            "destination": party(&self.destination),
            "service": service,
            "protocol": self.protocol.map(Protocol::as_str),
            "method": &*self.method,
            "authority": &*self.authority,
            "path": &*self.path,
            "status": self.status,
            "grpcStatus": self.grpc_status,
            "flags": flags,
            "received": self.received,
            "sent": self.sent,
            "route": self.route.as_ref().map(|rule| &*rule.0),
            "decision": (self.decision != 0).then(|| format!("{:016x}", self.decision)),
            "policy": self.policy.as_ref().map(|rule| &*rule.0),
            "endpoint": self.endpoint.map(|endpoint| endpoint.to_string()),
            "attempts": self.attempts,
            "version": self.version,
            "trace": self.trace.map(|trace| hex(trace.as_bytes())),
        });
        strip(&mut record);
        // Values of JSON print without fail.
        let _ = writeln!(out, "{record}");
    }
}

fn party(party: &Party) -> Value {
    let mut value = json!({
        "address": party.address.map(|address| address.to_string()),
        "workload": party.workload.as_deref(),
        "owner": party.owner.as_deref(),
        "namespace": party.namespace.as_deref(),
        "identity": party.identity.as_ref().map(SpiffeId::as_str),
    });
    strip(&mut value);
    value
}

fn strip(value: &mut Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, field| !field.is_null());
    }
}

fn millis(duration: Duration) -> f64 {
    // In microseconds: digits beyond are noise.
    let micros = u32::try_from(duration.as_micros()).unwrap_or(u32::MAX);
    f64::from(micros) / 1000.0
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

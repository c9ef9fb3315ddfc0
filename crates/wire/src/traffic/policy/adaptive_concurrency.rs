//! How many requests an instance gets at a time.

use std::time::Duration;

use ripstop_model::{AdaptiveConcurrency, MinRtt, RuleId, Share};

use super::super::value::{duration_from_wire, duration_to_wire, set_duration, share_from_wire};
use crate::{
    DecodeError,
    place::Place,
    ripstop::{self, adaptive_concurrency as wire},
};

/// Shorter ones follow single requests.
const SHORTEST_UPDATE: Duration = Duration::from_millis(10);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

pub(super) fn to_wire(concurrency: &AdaptiveConcurrency) -> ripstop::AdaptiveConcurrency {
    let AdaptiveConcurrency { id, percentile, update_interval, min, max, min_rtt, buffer } = concurrency;
    let min_rtt = match min_rtt {
        MinRtt::Measured { interval, jitter, requests } => wire::MinRtt::Measured(wire::Measured {
            interval: Some(duration_to_wire(*interval)),
            jitter: jitter.millionths(),
            requests: *requests,
        }),
        MinRtt::Fixed(latency) => wire::MinRtt::Fixed(duration_to_wire(*latency)),
    };
    ripstop::AdaptiveConcurrency {
        id: id.to_string(),
        percentile: percentile.millionths(),
        update_interval: Some(duration_to_wire(*update_interval)),
        min: *min,
        max: *max,
        buffer: buffer.millionths(),
        min_rtt: Some(min_rtt),
    }
}

pub(super) fn from_wire(
    place: &Place<'_>,
    concurrency: ripstop::AdaptiveConcurrency,
) -> Result<AdaptiveConcurrency, DecodeError> {
    let at_least = |field: &str, duration, least: Duration| {
        let place = place.field(field);
        let duration = set_duration(&place, duration)?;
        if duration < least { Err(place.error(format!("it is shorter than {least:?}"))) } else { Ok(duration) }
    };
    let some = |field: &str, number: u32| match number {
        0 => Err(place.field(field).error("0 lets nothing pass")),
        number => Ok(number),
    };
    let min_rtt = match place.field("min_rtt").set(concurrency.min_rtt)? {
        wire::MinRtt::Measured(wire::Measured { interval, jitter, requests }) => MinRtt::Measured {
            interval: at_least("measured.interval", interval, SHORTEST_INTERVAL)?,
            jitter: share_from_wire(&place.field("measured.jitter"), jitter)?,
            requests: some("measured.requests", requests)?,
        },
        wire::MinRtt::Fixed(latency) => {
            let place = place.field("fixed");
            match duration_from_wire(&place, latency)? {
                Duration::ZERO => return Err(place.error("nothing is as fast as that")),
                latency => MinRtt::Fixed(latency),
            }
        }
    };
    let (min, max) = (some("min", concurrency.min)?, some("max", concurrency.max)?);
    if min > max {
        return Err(place.field("max").error(format!("{max} is below the minimum, {min}")));
    }
    let percentile = share_from_wire(&place.field("percentile"), concurrency.percentile)?;
    if percentile == Share::NONE {
        return Err(place.field("percentile").error("no latency is below all others"));
    }
    Ok(AdaptiveConcurrency {
        id: RuleId(place.field("id").required(concurrency.id)?),
        percentile,
        update_interval: at_least("update_interval", concurrency.update_interval, SHORTEST_UPDATE)?,
        min,
        max,
        min_rtt,
        buffer: share_from_wire(&place.field("buffer"), concurrency.buffer)?,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::testing::Sample;

    pub(crate) fn adaptive_concurrency(sample: &mut Sample) -> AdaptiveConcurrency {
        let share = |sample: &mut Sample| Share::from_millionths(sample.number() % 1_000_001).unwrap();
        let measured = MinRtt::Measured {
            interval: sample.duration().max(SHORTEST_INTERVAL),
            jitter: share(sample),
            requests: sample.number().max(1),
        };
        let fixed = MinRtt::Fixed(sample.duration().max(Duration::from_nanos(1)));
        let min = sample.number().max(1);
        AdaptiveConcurrency {
            id: sample.id(),
            percentile: share(sample).max(Share::from_millionths(1).unwrap()),
            update_interval: sample.duration().max(SHORTEST_UPDATE),
            min,
            max: sample.number().max(min),
            min_rtt: sample.pick(&[measured, fixed]),
            buffer: share(sample),
        }
    }

    pub(crate) fn malformed() -> Vec<(&'static str, ripstop::AdaptiveConcurrency)> {
        let second = Duration::from_secs(1);
        let with = |min_rtt| {
            to_wire(&AdaptiveConcurrency {
                id: RuleId("id".into()),
                percentile: Share::ALL,
                update_interval: second,
                min: 1,
                max: 2,
                min_rtt,
                buffer: Share::NONE,
            })
        };
        let good = || with(MinRtt::Fixed(second));
        let measured = |interval, jitter, requests| {
            let interval = Some(duration_to_wire(interval));
            let measured = wire::Measured { interval, jitter, requests };
            ripstop::AdaptiveConcurrency { min_rtt: Some(wire::MinRtt::Measured(measured)), ..good() }
        };
        vec![
            ("field adaptive_concurrency.id", ripstop::AdaptiveConcurrency { id: String::new(), ..good() }),
            ("field adaptive_concurrency.percentile", ripstop::AdaptiveConcurrency { percentile: 0, ..good() }),
            ("field adaptive_concurrency.percentile", ripstop::AdaptiveConcurrency { percentile: 1_000_001, ..good() }),
            (
                "field adaptive_concurrency.update_interval",
                ripstop::AdaptiveConcurrency {
                    update_interval: Some(duration_to_wire(Duration::from_millis(9))),
                    ..good()
                },
            ),
            ("field adaptive_concurrency.min", ripstop::AdaptiveConcurrency { min: 0, ..good() }),
            ("field adaptive_concurrency.max", ripstop::AdaptiveConcurrency { min: 3, ..good() }),
            ("field adaptive_concurrency.buffer", ripstop::AdaptiveConcurrency { buffer: 1_000_001, ..good() }),
            ("field adaptive_concurrency.min_rtt", ripstop::AdaptiveConcurrency { min_rtt: None, ..good() }),
            ("field adaptive_concurrency.fixed", with(MinRtt::Fixed(Duration::ZERO))),
            ("field adaptive_concurrency.measured.interval", measured(Duration::from_millis(99), 0, 1)),
            ("field adaptive_concurrency.measured.jitter", measured(second, 1_000_001, 1)),
            ("field adaptive_concurrency.measured.requests", measured(second, 0, 0)),
        ]
    }
}

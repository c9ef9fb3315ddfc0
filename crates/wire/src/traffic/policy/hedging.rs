//! Second attempts of requests whose answers take long.

use std::time::Duration;

use ripstop_model::{HedgeDelay, Hedging, RuleId, Share};

use super::super::value::{duration_from_wire, duration_to_wire, set_duration, share_from_wire};
use crate::{
    DecodeError,
    field::{shared, texts},
    place::Place,
    ripstop::{self, hedging as wire},
};

pub(super) fn to_wire(hedging: &Hedging) -> ripstop::Hedging {
    let Hedging { id, delay, attempts, methods } = hedging;
    let delay = match delay {
        HedgeDelay::Fixed(delay) => wire::Delay::Fixed(duration_to_wire(*delay)),
        HedgeDelay::Percentile { percentile, least } => wire::Delay::Percentile(wire::Percentile {
            percentile: percentile.millionths(),
            least: Some(duration_to_wire(*least)),
        }),
    };
    ripstop::Hedging { id: id.to_string(), delay: Some(delay), attempts: *attempts, methods: texts(methods) }
}

pub(super) fn from_wire(place: &Place<'_>, hedging: ripstop::Hedging) -> Result<Hedging, DecodeError> {
    let delay = match place.field("delay").set(hedging.delay)? {
        wire::Delay::Fixed(delay) => {
            let place = place.field("fixed");
            match duration_from_wire(&place, delay)? {
                Duration::ZERO => return Err(place.error("each request would be sent twice")),
                delay => HedgeDelay::Fixed(delay),
            }
        }
        wire::Delay::Percentile(wire::Percentile { percentile, least }) => {
            let own = place.field("percentile.percentile");
            let percentile = match share_from_wire(&own, percentile)? {
                Share::NONE => return Err(own.error("each request would be sent twice")),
                percentile => percentile,
            };
            HedgeDelay::Percentile { percentile, least: set_duration(&place.field("percentile.least"), least)? }
        }
    };
    let attempts = match hedging.attempts {
        attempts @ 2..=3 => attempts,
        attempts => return Err(place.field("attempts").error(format!("{attempts} are not 2 or 3"))),
    };
    Ok(Hedging {
        id: RuleId(place.field("id").required(hedging.id)?),
        delay,
        attempts,
        methods: shared(hedging.methods),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::testing::Sample;

    pub(crate) fn hedging(sample: &mut Sample) -> Hedging {
        let fixed = HedgeDelay::Fixed(sample.duration().max(Duration::from_nanos(1)));
        let percentile = Share::from_millionths(sample.number() % 1_000_000 + 1).unwrap();
        let percentile = HedgeDelay::Percentile { percentile, least: sample.duration() };
        Hedging {
            id: sample.id(),
            delay: sample.pick(&[fixed, percentile]),
            attempts: 2 + sample.number() % 2,
            methods: sample.list(Sample::text),
        }
    }

    pub(crate) fn malformed() -> Vec<(&'static str, ripstop::Hedging)> {
        let good = || {
            let delay = HedgeDelay::Fixed(Duration::from_secs(1));
            to_wire(&Hedging { id: RuleId("id".into()), delay, attempts: 2, methods: Vec::new() })
        };
        let percentile = |percentile, least| ripstop::Hedging {
            delay: Some(wire::Delay::Percentile(wire::Percentile { percentile, least })),
            ..good()
        };
        let nothing = Some(ripstop::Duration { seconds: 0, nanos: 0 });
        vec![
            ("field hedging.id", ripstop::Hedging { id: String::new(), ..good() }),
            ("field hedging.delay", ripstop::Hedging { delay: None, ..good() }),
            ("field hedging.fixed", ripstop::Hedging { delay: nothing.map(wire::Delay::Fixed), ..good() }),
            ("field hedging.percentile.percentile", percentile(0, nothing)),
            ("field hedging.percentile.percentile", percentile(1_000_001, nothing)),
            ("field hedging.percentile.least", percentile(1, None)),
            ("field hedging.attempts", ripstop::Hedging { attempts: 1, ..good() }),
            ("field hedging.attempts", ripstop::Hedging { attempts: 4, ..good() }),
        ]
    }
}

//! Balancing.

use ripstop_model::{Algorithm, HashKey, HashTable, LoadBalancer, LocalityPolicy, PeakEwma, Warmup};

use crate::{
    DecodeError,
    field::{shared, texts},
    place::Place,
    ripstop::{
        self, hash_balancing,
        load_balancer::{self, Simple},
    },
    traffic::value::{duration_to_wire, maybe_duration, pairs_from_wire, pairs_to_wire, set_duration, share_from_wire},
};

pub(super) fn to_wire(balancer: &LoadBalancer) -> ripstop::LoadBalancer {
    let simple = |simple: Simple| load_balancer::Algorithm::Simple(simple.into());
    let algorithm = match &balancer.algorithm {
        Algorithm::LeastRequest => simple(Simple::LeastRequest),
        Algorithm::RoundRobin => simple(Simple::RoundRobin),
        Algorithm::Random => simple(Simple::Random),
        Algorithm::Passthrough => simple(Simple::Passthrough),
        Algorithm::PeakEwma(settings) => load_balancer::Algorithm::PeakEwma(peak_ewma_to_wire(settings)),
        Algorithm::Hash { key, table } => load_balancer::Algorithm::Hash(hash_to_wire(key, *table)),
    };
    ripstop::LoadBalancer {
        algorithm: Some(algorithm),
        warmup: balancer.warmup.map(warmup_to_wire),
        locality: balancer.locality.as_ref().map(locality_to_wire),
    }
}

pub(super) fn from_wire(place: &Place<'_>, balancer: ripstop::LoadBalancer) -> Result<LoadBalancer, DecodeError> {
    let algorithm = place.field("algorithm");
    let warmup = |warmup| warmup_from_wire(&place.field("warmup"), warmup);
    Ok(LoadBalancer {
        algorithm: match algorithm.set(balancer.algorithm)? {
            load_balancer::Algorithm::Simple(simple) => match algorithm.enumerated(simple)? {
                Simple::LeastRequest => Algorithm::LeastRequest,
                Simple::RoundRobin => Algorithm::RoundRobin,
                Simple::Random => Algorithm::Random,
                Simple::Passthrough => Algorithm::Passthrough,
            },
            load_balancer::Algorithm::Hash(hash) => hash_from_wire(&place.field("hash"), hash)?,
            load_balancer::Algorithm::PeakEwma(settings) => {
                Algorithm::PeakEwma(peak_ewma_from_wire(&place.field("peak_ewma"), settings)?)
            }
        },
        warmup: balancer.warmup.map(warmup).transpose()?,
        locality: balancer.locality.map(locality_from_wire),
    })
}

fn hash_to_wire(key: &HashKey, table: HashTable) -> ripstop::HashBalancing {
    let key = match key {
        HashKey::Header(name) => hash_balancing::Key::Header(name.to_string()),
        HashKey::Cookie { name, path, ttl, attributes } => hash_balancing::Key::Cookie(ripstop::HashCookie {
            name: name.to_string(),
            path: path.to_string(),
            ttl: ttl.map(duration_to_wire),
            attributes: pairs_to_wire(attributes),
        }),
        HashKey::SourceIp => hash_balancing::Key::SourceIp(true),
        HashKey::Query(name) => hash_balancing::Key::Query(name.to_string()),
    };
    let table = match table {
        HashTable::Ring(entries) => hash_balancing::Table::Ring(entries),
        HashTable::Maglev(entries) => hash_balancing::Table::Maglev(entries),
    };
    ripstop::HashBalancing { key: Some(key), table: Some(table) }
}

fn hash_from_wire(place: &Place<'_>, hash: ripstop::HashBalancing) -> Result<Algorithm, DecodeError> {
    let key = place.field("key");
    Ok(Algorithm::Hash {
        key: match key.set(hash.key)? {
            hash_balancing::Key::Header(name) => HashKey::Header(name.into()),
            hash_balancing::Key::Cookie(cookie) => HashKey::Cookie {
                name: cookie.name.into(),
                path: cookie.path.into(),
                ttl: maybe_duration(&key.field("ttl"), cookie.ttl)?,
                attributes: pairs_from_wire(cookie.attributes),
            },
            hash_balancing::Key::SourceIp(_) => HashKey::SourceIp,
            hash_balancing::Key::Query(name) => HashKey::Query(name.into()),
        },
        table: match place.field("table").set(hash.table)? {
            hash_balancing::Table::Ring(entries) => HashTable::Ring(entries),
            hash_balancing::Table::Maglev(entries) => HashTable::Maglev(entries),
        },
    })
}

pub(crate) fn peak_ewma_to_wire(settings: &PeakEwma) -> ripstop::PeakEwma {
    ripstop::PeakEwma {
        decay: Some(duration_to_wire(settings.decay)),
        default_rtt: Some(duration_to_wire(settings.default_rtt)),
        penalty: Some(duration_to_wire(settings.penalty)),
    }
}

pub(crate) fn peak_ewma_from_wire(place: &Place<'_>, settings: ripstop::PeakEwma) -> Result<PeakEwma, DecodeError> {
    let decay = set_duration(&place.field("decay"), settings.decay)?;
    if decay.is_zero() {
        return Err(place.field("decay").error("it is 0"));
    }
    Ok(PeakEwma {
        decay,
        default_rtt: set_duration(&place.field("default_rtt"), settings.default_rtt)?,
        penalty: set_duration(&place.field("penalty"), settings.penalty)?,
    })
}

fn warmup_to_wire(warmup: Warmup) -> ripstop::Warmup {
    ripstop::Warmup {
        duration: Some(duration_to_wire(warmup.duration)),
        minimum: warmup.minimum.millionths(),
        aggression: warmup.aggression,
    }
}

fn warmup_from_wire(place: &Place<'_>, warmup: ripstop::Warmup) -> Result<Warmup, DecodeError> {
    if !warmup.aggression.is_finite() {
        return Err(place.field("aggression").error(format!("{} is not a number", warmup.aggression)));
    }
    Ok(Warmup {
        duration: set_duration(&place.field("duration"), warmup.duration)?,
        minimum: share_from_wire(&place.field("minimum"), warmup.minimum)?,
        aggression: warmup.aggression,
    })
}

pub(crate) fn locality_to_wire(policy: &LocalityPolicy) -> ripstop::LocalityPolicy {
    let distribute = policy.distribute.iter().map(|(from, shares)| ripstop::Distribution {
        from: from.to_string(),
        shares: shares.iter().map(|(to, share)| (to.to_string(), *share)).collect(),
    });
    ripstop::LocalityPolicy {
        enabled: policy.enabled,
        distribute: distribute.collect(),
        failover: pairs_to_wire(&policy.failover),
        failover_priority: texts(&policy.failover_priority),
        zone_aware: policy.zone_aware,
    }
}

pub(crate) fn locality_from_wire(policy: ripstop::LocalityPolicy) -> LocalityPolicy {
    let distribute = policy.distribute.into_iter().map(|ripstop::Distribution { from, shares }| {
        (from.into(), shares.into_iter().map(|(to, share)| (to.into(), share)).collect())
    });
    LocalityPolicy {
        enabled: policy.enabled,
        distribute: distribute.collect(),
        failover: pairs_from_wire(policy.failover),
        failover_priority: shared(policy.failover_priority),
        zone_aware: policy.zone_aware,
    }
}

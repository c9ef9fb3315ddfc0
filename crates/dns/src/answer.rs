//! From a query to what to do with it.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use hickory_proto::{
    op::{Edns, Header, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{
        DNSClass, Name, RData, Record, RecordType,
        rdata::{A, AAAA, PTR, SRV},
    },
    serialize::binary::{BinDecodable, BinDecoder},
};
use ripstop_model::{Health, Service, Snapshot, Workload};

use crate::{
    name::{Meaning, Zone, reverse},
    reply::{Reply, Section},
};

/// What becomes of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The mesh knows: this is the whole answer.
    Answer(Vec<u8>),
    /// Not a name of the mesh: pass the query on as it is.
    Forward,
    /// Not a query that anyone should answer (FORMERR, NOTIMP, BADVERS, REFUSED).
    Refuse(Vec<u8>),
    /// Not a query at all: too short for a header, or itself a response. Say nothing.
    Ignore,
}

/// Who asks, how, and on what knowledge the answer rests.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    /// Workload that sent the query, if its address is one; names without namespace are its
    /// own namespace's.
    pub client: Option<&'a Workload>,
    /// Bounds the size of the answer.
    pub transport: Transport,
    /// Orders the addresses of an answer.
    pub seed: u64,
}

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Answers are bounded by 512 bytes, or by the EDNS size up to 1232; beyond, TC is set.
    Udp,
    /// Answers are bounded by 65,535 bytes.
    Tcp,
}

/// TTL in seconds of what a service has for its whole life: its virtual address.
const SERVICE_TTL: u32 = 30;
/// TTL in seconds of what comes and goes: endpoints.
const ENDPOINT_TTL: u32 = 5;
/// Length of a DNS header.
const HEADER: usize = 12;

/// Decides on one query (without the length prefix of TCP).
pub fn answer(query: &[u8], snapshot: &Snapshot, asker: &Asker<'_>) -> Decision {
    let mut decoder = BinDecoder::new(query);
    let Ok(header) = Header::read(&mut decoder) else { return Decision::Ignore };
    if header.metadata.message_type == MessageType::Response {
        return Decision::Ignore;
    }
    let refuse = |code| Decision::Refuse(Reply::new(&header.metadata, None, None).finish(code, asker.transport));
    if header.metadata.op_code != OpCode::Query {
        return refuse(ResponseCode::NotImp);
    }
    // RFC 9619: a query has exactly one question.
    if header.counts.queries != 1 {
        return refuse(ResponseCode::FormErr);
    }
    let Ok(question) = Query::read(&mut decoder) else { return refuse(ResponseCode::FormErr) };
    let zone = Zone::new(&snapshot.mesh().service_domain);
    let meaning = match question.query_type {
        RecordType::PTR => reverse(&question.name, snapshot).unwrap_or(Meaning::Foreign),
        _ => zone.meaning(&question.name, snapshot, asker.client.map(|client| &*client.namespace)),
    };
    if matches!(meaning, Meaning::Foreign) {
        // Questions are a way out of the mesh like any other.
        if asker.client.is_some_and(|client| client.quarantine.is_some()) {
            let mut reply = Reply::new(&header.metadata, Some(&question), None);
            reply.not_authoritative();
            return Decision::Refuse(reply.finish(ResponseCode::Refused, asker.transport));
        }
        return Decision::Forward;
    }
    // Only now the rest matters; what is forwarded may hold what we cannot read.
    let Ok(message) = Message::from_vec(query) else { return refuse(ResponseCode::FormErr) };
    let mut reply = Reply::new(&message.metadata, Some(&question), message.edns.as_ref());
    if message.edns.as_ref().map_or(0, Edns::version) != 0 {
        return Decision::Refuse(reply.finish(ResponseCode::BADVERS, asker.transport));
    }
    if !matches!(question.query_class, DNSClass::IN | DNSClass::ANY) {
        return Decision::Refuse(reply.finish(ResponseCode::Refused, asker.transport));
    }
    if snapshot.version() == 0 {
        // Nothing is known yet, so neither is it known that the name does not exist.
        reply.not_authoritative();
        return Decision::Refuse(reply.finish(ResponseCode::ServFail, asker.transport));
    }
    let code = fill(&mut reply, &question, &meaning, &zone, snapshot, asker.seed);
    // Of the zone of a declared host nothing is known.
    if !reply.has_answers() && !matches!(meaning, Meaning::Entry(_)) {
        reply.add(Section::Authority, zone.soa(snapshot.version()));
    }
    Decision::Answer(reply.finish(code, asker.transport))
}

/// The answer of last resort to `query`, when nobody else gave one; nothing if it was no query.
pub fn server_failure(query: &[u8]) -> Option<Vec<u8>> {
    let mut decoder = BinDecoder::new(query.get(..query.len().min(u16::MAX.into()))?);
    let header = Header::read(&mut decoder).ok()?;
    if header.metadata.message_type == MessageType::Response || query.len() < HEADER {
        return None;
    }
    let question = (header.counts.queries == 1).then(|| Query::read(&mut decoder).ok()).flatten();
    let mut reply = Reply::new(&header.metadata, question.as_ref(), None);
    reply.not_authoritative();
    Some(reply.finish(ResponseCode::ServFail, Transport::Udp))
}

fn fill(
    reply: &mut Reply,
    question: &Query,
    meaning: &Meaning<'_>,
    zone: &Zone<'_>,
    snapshot: &Snapshot,
    seed: u64,
) -> ResponseCode {
    let asked = question.query_type;
    match meaning {
        Meaning::Foreign | Meaning::Unknown => return ResponseCode::NXDomain,
        Meaning::Empty => {}
        Meaning::Apex => {
            if matches!(asked, RecordType::SOA | RecordType::ANY) {
                reply.add(Section::Answer, zone.soa(snapshot.version()));
            }
        }
        Meaning::Service(service) => {
            let ttl = if service.headless { ENDPOINT_TTL } else { SERVICE_TTL };
            for address in shuffled(service_addresses(service, snapshot), seed) {
                add_address(reply, Section::Answer, &question.name, address, asked, ttl);
            }
        }
        Meaning::Entry(addresses) => {
            for address in shuffled(addresses.clone(), seed) {
                add_address(reply, Section::Answer, &question.name, address, asked, SERVICE_TTL);
            }
        }
        Meaning::Instance(service, workload) => {
            if is_published(service, workload) {
                for address in &workload.addresses {
                    add_address(reply, Section::Answer, &question.name, *address, asked, ENDPOINT_TTL);
                }
            }
        }
        Meaning::Port(service, port) => {
            if matches!(asked, RecordType::SRV | RecordType::ANY) {
                add_port(reply, &question.name, service, *port, snapshot, seed);
            }
        }
        Meaning::Reverse(name) => {
            reply.add(
                Section::Answer,
                Record::from_rdata(question.name.clone(), ENDPOINT_TTL, RData::PTR(PTR(name.clone()))),
            );
        }
    }
    ResponseCode::NoError
}

/// Addresses behind a service's own name: the virtual ones, or those of the endpoints.
fn service_addresses(service: &Service, snapshot: &Snapshot) -> Vec<IpAddr> {
    if !service.headless {
        return service.addresses.clone();
    }
    let mut seen = BTreeSet::new();
    published(service, snapshot)
        .flat_map(|workload| workload.addresses.iter().copied())
        .filter(|a| seen.insert(*a))
        .collect()
}

fn published<'a>(service: &'a Service, snapshot: &'a Snapshot) -> impl Iterator<Item = &'a Workload> {
    snapshot.endpoints(&service.key).map(|workload| &**workload).filter(|workload| is_published(service, workload))
}

fn is_published(service: &Service, workload: &Workload) -> bool {
    service.publish_not_ready || workload.health == Health::Healthy
}

/// SRV records of a named port: the service itself, or each endpoint of a headless one under
/// a name of its own, with the addresses of the targets.
fn add_port(reply: &mut Reply, owner: &Name, service: &Service, port: usize, snapshot: &Snapshot, seed: u64) {
    let (Some(port), Ok(host)) = (service.ports.get(port), Name::from_ascii(format!("{}.", service.key.hostname)))
    else {
        return;
    };
    let srv =
        |port, target| Record::from_rdata(owner.clone(), ENDPOINT_TTL, RData::SRV(SRV::new(0, 100, port, target)));
    if !service.headless {
        reply.add(Section::Answer, srv(port.port, host.clone()));
        for address in &service.addresses {
            add_address(reply, Section::Additional, &host, *address, RecordType::ANY, SERVICE_TTL);
        }
        return;
    }
    for workload in shuffled(published(service, snapshot).collect(), seed) {
        let target = workload.target_port(&service.key, port.port);
        if let (Some(target), Ok(name)) = (target, host.prepend_label(workload.name.as_bytes())) {
            reply.add(Section::Answer, srv(target, name.clone()));
            for address in &workload.addresses {
                add_address(reply, Section::Additional, &name, *address, RecordType::ANY, ENDPOINT_TTL);
            }
        }
    }
}

fn add_address(reply: &mut Reply, section: Section, owner: &Name, address: IpAddr, asked: RecordType, ttl: u32) {
    let data = match address.to_canonical() {
        IpAddr::V4(address) if matches!(asked, RecordType::A | RecordType::ANY) => RData::A(a(address)),
        IpAddr::V6(address) if matches!(asked, RecordType::AAAA | RecordType::ANY) => RData::AAAA(aaaa(address)),
        _ => return,
    };
    reply.add(section, Record::from_rdata(owner.clone(), ttl, data));
}

fn a(address: Ipv4Addr) -> A {
    A(address)
}

fn aaaa(address: Ipv6Addr) -> AAAA {
    AAAA(address)
}

/// Fisher-Yates with SplitMix64: spreads clients that take the first address.
fn shuffled<T>(mut items: Vec<T>, mut seed: u64) -> Vec<T> {
    for last in (1..items.len()).rev() {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = seed;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let pick = usize::try_from(bits % (last as u64 + 1)).unwrap_or(last);
        items.swap(last, pick);
    }
    items
}

#[cfg(test)]
mod tests;

//! What services of limits say of a request, as it and its client are told.

use std::{borrow::Cow, fmt::Write as _, mem::take};

use bytes::Bytes;
use ripstop_model::GlobalRateLimit;
use ripstop_wire::rate_limit::{
    HeaderValue, RateLimitResponse,
    rate_limit_response::{DescriptorStatus, RateLimit, rate_limit::Unit},
};

use crate::http::{
    admission::Place,
    filters::{
        edits::{Edits, Text, is_changeable},
        respond::Local,
    },
    limits::Quota,
};

/// Header fields at most that an answer adds to a request, and as many to its answer.
const MOST_FIELDS: usize = 64;

/// What limits tell of a request that they let pass.
#[derive(Debug, Default)]
pub struct Allowed {
    quota: Option<Quota>,
    granted: Option<Box<Granted>>,
    /// Where services were asked.
    places: Vec<Place>,
}

/// What services say of a request that may go on.
#[derive(Debug, Default)]
pub(super) struct Granted {
    /// Fields that the answer gets.
    answer: Fields,
    /// Fields that the request gets.
    request: Fields,
    /// The limit that leaves least.
    pub(super) quota: Option<GlobalQuota>,
}

type Fields = Vec<(String, Vec<u8>)>;

/// What a client is told of a service's limits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GlobalQuota {
    /// How many there may be in a unit, and after it all that the service counted by.
    pub(super) limit: String,
    pub(super) left: u64,
    /// Seconds until a new unit begins.
    pub(super) reset: u64,
}

/// The answer to a request that is one too many.
pub(super) fn refusal(limit: &GlobalRateLimit, answer: RateLimitResponse) -> Local {
    let quota = GlobalQuota::of(&answer.statuses).filter(|_| limit.tells);
    let mut fields: Vec<(Cow<'static, str>, Text<'static>)> = Vec::new();
    if let Some(GlobalQuota { limit, left, reset }) = quota {
        fields.push(("x-ratelimit-limit".into(), limit.into()));
        fields.push(("x-ratelimit-remaining".into(), Text::number(left)));
        fields.push(("x-ratelimit-reset".into(), Text::number(reset)));
    }
    let own = good(answer.response_headers_to_add).map(|(name, value)| (Cow::Owned(name), Text::from(value)));
    fields.extend(own.take(MOST_FIELDS));
    Local::limited_by_service(limit.status, fields, Bytes::into(answer.raw_body))
}

/// The fields of an answer that can be added: those of the connection and of framing are the proxy's.
pub(super) fn good(fields: Vec<HeaderValue>) -> impl Iterator<Item = (String, Vec<u8>)> {
    fields.into_iter().filter_map(|HeaderValue { key, value, raw_value }| {
        let name = key.to_ascii_lowercase();
        let value = if value.is_empty() { raw_value.to_vec() } else { value.into_bytes() };
        let is_token = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
        let is_value = value.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f));
        (is_token && is_value && is_changeable(&name)).then_some((name, value))
    })
}

// === impl Granted ===

impl Granted {
    /// Takes what one more service says.
    pub(super) fn take(&mut self, limit: &GlobalRateLimit, answer: RateLimitResponse) {
        let quota = GlobalQuota::of(&answer.statuses).filter(|_| limit.tells);
        if let Some(quota) = quota
            && self.quota.as_ref().is_none_or(|least| quota.left < least.left)
        {
            self.quota = Some(quota);
        }
        let room = |fields: &Fields| MOST_FIELDS.saturating_sub(fields.len());
        let (of_answer, of_request) = (room(&self.answer), room(&self.request));
        self.answer.extend(good(answer.response_headers_to_add).take(of_answer));
        self.request.extend(good(answer.request_headers_to_add).take(of_request));
    }
}

// === impl GlobalQuota ===

impl GlobalQuota {
    /// As Envoy tells it (draft 03 of `X-RateLimit` fields): the limit that leaves least, and after it all of them, each
    /// with its unit in seconds and its name.
    pub(super) fn of(statuses: &[DescriptorStatus]) -> Option<Self> {
        let limits = || statuses.iter().filter_map(|status| Some((status, status.current_limit.as_ref()?)));
        let (least, limit) = limits().min_by_key(|(status, _)| status.limit_remaining)?;
        let mut told = limit.requests_per_unit.to_string();
        for (_, limit) in limits().take(MOST_FIELDS) {
            let Some(seconds) = seconds(limit) else { continue };
            // Writing to a string never fails.
            let _ = write!(told, ", {};w={seconds}", limit.requests_per_unit);
            let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
            if !limit.name.is_empty() && limit.name.bytes().all(is_plain) {
                let _ = write!(told, ";name=\"{}\"", limit.name);
            }
        }
        let reset = least.duration_until_reset.as_ref().map_or(0, |until| until.seconds);
        Some(Self { limit: told, left: least.limit_remaining.into(), reset: u64::try_from(reset).unwrap_or(0) })
    }
}

/// How long a unit is; nothing: nobody knows.
fn seconds(limit: &RateLimit) -> Option<u32> {
    Some(match limit.unit() {
        Unit::Unknown => return None,
        Unit::Second => 1,
        Unit::Minute => 60,
        Unit::Hour => 3600,
        Unit::Day => 24 * 3600,
        Unit::Week => 7 * 24 * 3600,
        Unit::Month => 30 * 24 * 3600,
        Unit::Year => 365 * 24 * 3600,
    })
}

// === impl Allowed ===

impl Allowed {
    /// By the proxy's own limits, and by services as far as they were asked.
    pub(super) fn new(quota: Option<Quota>, granted: Option<Box<Granted>>, places: Vec<Place>) -> Self {
        Self { quota, granted, places }
    }

    /// Where services were asked, which is told once.
    pub(in crate::http) fn take_places(&mut self) -> Vec<Place> {
        take(&mut self.places)
    }

    /// What both tell.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.places.extend(other.places);
        let quota = match (self.quota, other.quota) {
            (Some(own), Some(other)) => Some(if other.leaves_less_than(&own) { other } else { own }),
            (own, other) => own.or(other),
        };
        let granted = match (self.granted, other.granted) {
            (Some(mut own), Some(other)) => {
                own.answer.extend(other.answer);
                own.request.extend(other.request);
                own.quota = match (own.quota.take(), other.quota) {
                    (Some(own), Some(other)) => Some(if other.left < own.left { other } else { own }),
                    (own, other) => own.or(other),
                };
                Some(own)
            }
            (own, other) => own.or(other),
        };
        Self { quota, granted, places: self.places }
    }

    /// Tells the client of the limit that leaves it least, and what services add to its answer.
    pub fn tell<'a>(&'a self, edits: &mut Edits<'a>) {
        Self::tell_all(&[self], edits);
    }

    /// The same of both.
    pub fn tell_with<'a>(&'a self, other: &'a Self, edits: &mut Edits<'a>) {
        Self::tell_all(&[self, other], edits);
    }

    fn tell_all<'a>(all: &[&'a Self], edits: &mut Edits<'a>) {
        let granted = || all.iter().filter_map(|allowed| allowed.granted.as_deref());
        let own = all.iter().filter_map(|allowed| allowed.quota.as_ref()).min_by_key(|quota| quota.left());
        let global = granted().filter_map(|granted| granted.quota.as_ref()).min_by_key(|quota| quota.left);
        match (own, global) {
            (Some(own), global) if global.is_none_or(|global| own.left() <= global.left) => own.tell(edits),
            (_, Some(GlobalQuota { limit, left, reset })) => {
                edits.set("x-ratelimit-limit", limit.as_str());
                edits.set("x-ratelimit-remaining", Text::number(*left));
                edits.set("x-ratelimit-reset", Text::number(*reset));
            }
            _ => {}
        }
        for (name, value) in granted().flat_map(|granted| &granted.answer) {
            edits.add(name, &value[..]);
        }
    }

    /// What services add to the request.
    pub fn request(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.granted.iter().flat_map(|granted| &granted.request).map(|(name, value)| (&**name, &**value))
    }
}

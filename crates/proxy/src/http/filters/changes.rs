//! What heads become on their way.
//!
//! Of a level, values are made first, from the head as it was before; then what it removes goes, then what it sets
//! comes, then what it adds. The backend's level comes before the rule's, so that the rule wins; of a rule with one
//! backend the two are one level, in which the backend wins, as Istio merges them. A value that comes out empty changes
//! nothing. This is what Envoy does, but that Envoy makes the values of a level after its removals, so that a field
//! can't be renamed with it.

use std::{borrow::Cow, collections::BTreeMap, sync::Arc, time::Duration};

use ripstop_decide::Target;
use ripstop_exchange::{FieldChange, Framing, HeadChanges};
use ripstop_model::{HeaderOperations, HttpAction, HttpRule, ProxyHeader, ProxyHeaders};
use ripstop_telemetry::{
    Exchange, Headers, NoHeaders,
    trace_context::{Propagation, Sampling, Span},
};

use super::{
    Fields, Request, Spelling,
    client_cert::ClientCert,
    cors::Grant,
    edits::{EditList, Edits, Text, is_changeable},
    format::{Known, expand},
    origin::Origin,
    request_id::request_id,
    timeout::Timeouts,
};

/// What is known of a request that is sent on, and of its answer.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The request.
    pub request: Request<'a>,
    /// Where it comes from.
    pub origin: Origin,
    /// The rule that acts; nothing: the service itself was called.
    pub rule: Option<&'a HttpRule>,
    /// The backend that was drawn; nothing: none was.
    pub target: Option<&'a Target>,
    /// What operators in values may ask for.
    pub exchange: &'a Exchange<'a>,
    /// Name of the machine.
    pub hostname: &'a str,
    /// What proxies write by themselves.
    pub headers: &'a ProxyHeaders,
}

/// How the bytes of a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// In the clear.
    Plain,
    /// In TLS that the client made.
    Tls,
}

// === impl Transport ===

impl Transport {
    /// The scheme of requests that come by it.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Plain => "http",
            Self::Tls => "https",
        }
    }
}

/// What a request gets on its way.
#[derive(Clone, Debug)]
pub struct Outgoing<'a> {
    /// The path that the rule makes of the request's ([`ripstop_decide::rewritten`]).
    pub path: Cow<'a, str>,
    /// How its client sent it.
    pub transport: Transport,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Random bits for its id.
    pub random: [u8; 16],
    /// Its span, and how that is told; nothing: this proxy takes no part in tracing, and contexts pass as they are.
    pub span: Option<(&'a Span, Propagation)>,
    /// The operation that a server's span is named after; nothing: no one is told. Istio's: `HOST:PORT/*`.
    pub operation: Option<&'a str>,
    /// What is told of its client's certificate.
    pub client_cert: ClientCert<'a>,
    /// The port that was called.
    pub port: u16,
    /// Names of fields that go on to nobody.
    pub dropped: &'a [Box<[u8]>],
}

/// Changes of a request's head.
#[derive(Clone, Debug)]
pub struct RequestChanges<'a> {
    path: Option<String>,
    authority: Option<&'a str>,
    edits: Edits<'a>,
    timeouts: Timeouts,
    framing: Framing,
    headers: &'a ProxyHeaders,
}

/// What is known of an answer.
#[derive(Clone, Copy)]
pub struct Answer<'a> {
    /// Its status.
    pub status: u16,
    /// Its fields.
    pub headers: &'a dyn Headers,
    /// From the request's end to the answer's beginning; nothing: the proxy answers itself.
    pub service_time: Option<Duration>,
    /// What a script of another origin may see.
    pub cors: Option<Grant<'a>>,
}

/// Changes of a request for its first attempt.
pub fn request<'a>(context: &Context<'a>, outgoing: &Outgoing<'a>) -> RequestChanges<'a> {
    let Context { request, origin, rule, target, .. } = *context;
    let mut edits = Edits::new();
    outgoing.dropped.iter().for_each(|name| edits.remove(&**name));
    request.headers.each(&mut |name, _| {
        let written = outgoing.span.map_or(&[][..], |(_, propagation)| propagation.headers());
        let traced = written.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(name));
        let ends = if ClientCert::is(name) { outgoing.client_cert == ClientCert::Ends } else { origin.ends(name) };
        if traced || ends {
            edits.remove(name);
        }
    });
    arrive(context, outgoing, &mut edits);
    outgoing.client_cert.tell(request.headers, &mut edits);
    let headers = context.headers;
    outgoing.timeouts.tell(Duration::ZERO, headers, &mut edits);
    if headers.writes(ProxyHeader::AttemptCount) {
        edits.set("x-envoy-attempt-count", "1");
    }
    if headers.writes(ProxyHeader::ForwardedPort) {
        edits.set("x-forwarded-port", Text::number(outgoing.port.into()));
    }
    if let Some(operation) = outgoing.operation {
        edits.set("x-envoy-decorator-operation", operation);
    }
    operate(context, Side::Request, &mut edits);
    if let Some((span, propagation)) = outgoing.span {
        span.write(propagation, |name, value| edits.set(name, Text::copied(value.as_bytes())));
    }
    let of_backend = || target?.written.as_ref()?.authority.as_deref();
    let authority = rule.and_then(|rule| rule.rewrite.authority.as_deref()).or_else(of_backend);
    if authority.is_some() && !request.authority.is_empty() {
        if headers.writes(ProxyHeader::Explanations) {
            edits.set("x-envoy-original-host", request.authority);
        }
        if headers.writes(ProxyHeader::ForwardedHost) {
            edits.add("x-forwarded-host", request.authority);
        }
    }
    let path = path(&request, &outgoing.path);
    if outgoing.path != request.path && headers.writes(ProxyHeader::Explanations) {
        edits.set("x-envoy-original-path", with_query(request.path, request.query));
    }
    RequestChanges { path, authority, edits, timeouts: outgoing.timeouts, framing: Framing::Kept, headers }
}

/// Changes of an answer: of a backend, or of the proxy itself. `sent` is the request as it went on, if it did.
pub fn answer<'a>(context: &Context<'a>, sent: Option<&RequestChanges<'a>>, answer: Answer<'a>) -> Edits<'a> {
    let mut edits = Edits::new();
    for name in ["x-envoy-decorator-operation", "x-envoy-peer-metadata", "x-envoy-peer-metadata-id"] {
        if answer.headers.first(name).is_some() {
            edits.remove(name);
        }
    }
    let time = answer.service_time.filter(|_| context.headers.writes(ProxyHeader::Explanations));
    if let Some(time) = time {
        let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        edits.set("x-envoy-upstream-service-time", Text::number(milliseconds));
    }
    operate(context, Side::Answer(sent, &answer), &mut edits);
    if let Some(grant) = answer.cors {
        grant.give(&mut edits);
    }
    if let Some(server) = context.headers.server.as_deref() {
        edits.set("server", server);
    }
    edits
}

/// What is told of where a request came from, and its id.
fn arrive<'a>(context: &Context<'a>, outgoing: &Outgoing<'a>, edits: &mut Edits<'a>) {
    let Context { request: Request { headers, .. }, origin, .. } = *context;
    let ends = match origin {
        Origin::Outside { client } => client.map(|client| (client, client)),
        Origin::Behind { proxy, client } => Some((proxy, client.unwrap_or(proxy))),
        Origin::Caller | Origin::Mesh => None,
    };
    if let Some((hop, client)) = ends {
        let (hop, client) = (hop.to_string(), client.to_string());
        let mut chain = Vec::new();
        headers.visit("x-forwarded-for", &mut |value| {
            chain.extend_from_slice(value);
            chain.push(b',');
        });
        chain.extend_from_slice(hop.as_bytes());
        edits.set("x-forwarded-for", chain);
        edits.set("x-envoy-external-address", Text::copied(client.as_bytes()));
    }
    // What proxies that are trusted say is in `transport` already.
    if origin.is_outside() || headers.first("x-forwarded-proto").is_none() {
        edits.set("x-forwarded-proto", outgoing.transport.scheme());
    }
    let is_written = context.headers.writes(ProxyHeader::RequestId);
    if is_written && (origin.is_outside() || headers.first("x-request-id").is_none_or(<[u8]>::is_empty)) {
        let sampling = outgoing.span.map_or(Sampling::Dropped, |(span, _)| span.sampling);
        edits.set("x-request-id", request_id(outgoing.random, sampling));
    }
}

/// Nothing: it is the one that came.
fn path(request: &Request<'_>, rewritten: &str) -> Option<String> {
    if request.spelling == Spelling::AsItCame && rewritten == request.path {
        return None;
    }
    // A rewrite may leave a path without its beginning; what is sent on has one.
    let slash = if rewritten.starts_with('/') || rewritten == request.path { "" } else { "/" };
    Some(format!("{slash}{}", with_query(rewritten, request.query)))
}

fn with_query(path: &str, query: &str) -> String {
    let between = match (query.is_empty(), path.contains('?')) {
        (true, _) => "",
        (false, false) => "?",
        (false, true) => "&",
    };
    format!("{path}{between}{query}")
}

/// Which head operations are about.
#[derive(Clone, Copy)]
enum Side<'s, 'a> {
    Request,
    /// With the request as it went on, if it did.
    Answer(Option<&'s RequestChanges<'a>>, &'s Answer<'a>),
}

/// Does what rule and backend say.
fn operate<'a>(context: &Context<'a>, side: Side<'_, 'a>, edits: &mut Edits<'a>) {
    let Some(rule) = context.rule else { return };
    let written = context.target.and_then(|target| target.written.as_ref());
    let (of_rule, of_backend) = match side {
        Side::Request => (&rule.request_headers, written.map(|written| &written.request_headers)),
        Side::Answer(..) => (&rule.response_headers, written.map(|written| &written.response_headers)),
    };
    if matches!(&rule.action, HttpAction::Forward(backends) if backends.len() == 1) {
        apply(context, side, [Some(of_rule), of_backend], edits);
    } else {
        apply(context, side, [of_backend, None], edits);
        apply(context, side, [Some(of_rule), None], edits);
    }
}

/// Operations that are one level: later ones win.
type Level<'a> = [Option<&'a HeaderOperations>; 2];

/// Does what one level says.
fn apply<'a>(context: &Context<'a>, side: Side<'_, 'a>, level: Level<'a>, edits: &mut Edits<'a>) {
    let (set, add) = made(context, side, level, edits);
    for name in level.into_iter().flatten().flat_map(|operations| &operations.remove).filter(|name| is_changeable(name))
    {
        edits.remove(&**name);
    }
    for (name, value) in set {
        edits.set(name, value);
    }
    for (name, value) in add {
        edits.add(name, value);
    }
}

type Values<'a> = Vec<(&'a str, Text<'a>)>;

/// The values that a level sets and adds.
fn made<'a>(
    context: &Context<'a>,
    side: Side<'_, 'a>,
    level: Level<'a>,
    edits: &Edits<'a>,
) -> (Values<'a>, Values<'a>) {
    let Context { request, exchange, hostname, .. } = *context;
    let original: &dyn Headers = request.headers;
    let (request_edited, answer_edited) = match side {
        Side::Request => (Some(edits.on(original)), None),
        Side::Answer(sent, answer) => {
            (sent.map(|sent| sent.edits.on(original)), Some((answer.status, edits.on(answer.headers))))
        }
    };
    let known = Known {
        request,
        request_headers: request_edited.as_ref().map_or(original, |edited| edited),
        response: answer_edited.as_ref().map(|(status, edited)| (*status, edited as &dyn Headers)),
        exchange,
        hostname,
    };
    let values = |pairs: &'a BTreeMap<Arc<str>, Arc<str>>| {
        pairs.iter().filter(|(name, _)| is_changeable(name)).filter_map(|(name, value)| {
            let value = expand(value, &known);
            (!value.as_bytes().is_empty()).then_some((&**name, value))
        })
    };
    let set = level.into_iter().flatten().flat_map(|operations| values(&operations.set)).collect();
    let add = level.into_iter().flatten().flat_map(|operations| values(&operations.add)).collect();
    (set, add)
}

// === impl RequestChanges ===

impl<'a> RequestChanges<'a> {
    /// The request gets this field besides those that it has.
    pub fn add(&mut self, name: &'a str, value: &'a [u8]) {
        self.edits.add(name, value);
    }

    /// For another attempt, the `attempt`-th (2: the first retry), which begins after `elapsed`.
    pub fn again(&mut self, attempt: u32, elapsed: Duration) {
        self.timeouts.tell(elapsed, self.headers, &mut self.edits);
        if self.headers.writes(ProxyHeader::AttemptCount) {
            self.edits.set("x-envoy-attempt-count", Text::number(attempt.into()));
        }
    }

    /// The changes of fields, for [`Self::head`].
    pub fn list(&self) -> EditList<'_> {
        self.edits.list()
    }

    /// As an exchange takes them.
    pub fn head<'c>(&'c self, list: &'c [FieldChange<'c>]) -> HeadChanges<'c> {
        HeadChanges {
            path: self.path.as_deref().map(str::as_bytes),
            authority: self.authority.map(str::as_bytes),
            fields: list,
            framing: self.framing,
        }
    }

    /// It goes on as a call of gRPC, with this content type, and its body written anew.
    pub fn speak_grpc(&mut self, content_type: Vec<u8>) {
        self.edits.set("content-type", content_type);
        self.framing = Framing::Anew;
    }

    /// The path that is sent on, with its query; nothing: the one that came.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The authority that is sent on; nothing: the one that came.
    pub fn authority(&self) -> Option<&str> {
        self.authority
    }

    /// The fields as they are sent on; `original` are those that came.
    pub fn on<'e, H: Headers + ?Sized>(&'e self, original: &'e H) -> impl Headers + 'e {
        self.edits.on(original)
    }
}

impl Fields for NoHeaders {
    fn each<'s>(&'s self, _visit: &mut dyn FnMut(&'s [u8], &'s [u8])) {}
}

#[cfg(test)]
mod tests;

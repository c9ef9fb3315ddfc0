//! Values of fields with Envoy's `%OPERATORS%`.
//!
//! Configuration lets `%NAME%` and `%NAME(PARAMETERS)%` through, and `%%` for a percent sign. Headers of the messages
//! are looked up here, since a rule may pass on what a log must not print; the other operators are those of access logs.
//! What is not known, yet or at all, is nothing.

use ripstop_telemetry::{Exchange, Headers, LogFormat, Missing, Surroundings};

use super::{Request, edits::Text};

/// What operators are about.
#[derive(Clone, Copy)]
pub(super) struct Known<'k> {
    /// The request.
    pub request: Request<'k>,
    /// Its fields, as far as they are changed already.
    pub request_headers: &'k dyn Headers,
    /// The answer's status and fields; nothing: there is none yet.
    pub response: Option<(u16, &'k dyn Headers)>,
    /// The rest.
    pub exchange: &'k Exchange<'k>,
    /// Name of the machine.
    pub hostname: &'k str,
}

/// The value, its operators replaced.
pub(super) fn expand<'v>(value: &'v str, known: &Known<'_>) -> Text<'v> {
    if !value.contains('%') {
        return Text::from(value);
    }
    let mut out = Vec::with_capacity(value.len() + 32);
    let mut rest = value;
    while let Some((literal, behind)) = rest.split_once('%') {
        out.extend_from_slice(literal.as_bytes());
        rest = if let Some(behind) = behind.strip_prefix('%') {
            out.push(b'%');
            behind
        } else if let Some((operator, behind)) = operator(behind) {
            known.write(&operator, &mut out);
            behind
        } else {
            out.push(b'%');
            behind
        };
    }
    out.extend_from_slice(rest.as_bytes());
    let trimmed = out.trim_ascii();
    if trimmed.len() == out.len() { Text::from(out) } else { Text::copied(trimmed) }
}

/// An operator.
struct Operator<'t> {
    name: &'t str,
    parameters: Option<&'t str>,
    /// With its percent signs.
    whole: String,
}

/// An operator without its first `%`, and what follows it.
fn operator(text: &str) -> Option<(Operator<'_>, &str)> {
    let end = text.find(['%', '('])?;
    let (name, rest) = text.split_at(end);
    let (parameters, rest) = match rest.strip_prefix('(') {
        None => (None, rest),
        Some(inside) => {
            let (inside, behind) = inside.split_once(')')?;
            (Some(inside.trim_ascii()), behind.trim_start_matches(' '))
        }
    };
    let rest = rest.strip_prefix('%')?;
    let whole = match parameters {
        None => format!("%{name}%"),
        Some(parameters) => format!("%{name}({parameters})%"),
    };
    Some((Operator { name, parameters, whole }, rest))
}

// === impl Known ===

impl Known<'_> {
    fn write(&self, operator: &Operator<'_>, out: &mut Vec<u8>) {
        let found = |names: &str, look: &dyn Fn(&str, &mut Vec<u8>) -> bool, out: &mut Vec<u8>| {
            let (first, second) = names.split_once('?').unwrap_or((names, ""));
            let _ = [first, second].iter().any(|name| !name.is_empty() && look(&name.to_ascii_lowercase(), out));
        };
        match (operator.name, operator.parameters) {
            ("REQ", Some(names)) => found(names, &|name, out| self.of_request(name, out), out),
            ("RESP", Some(names)) => found(names, &|name, out| self.of_response(name, out), out),
            _ => {
                let surroundings = Surroundings { hostname: self.hostname, variable: &|_| None };
                // One that access logs don't know is nothing.
                let Ok(format) = LogFormat::text(&operator.whole, Missing::Omitted, &surroundings) else { return };
                let mut line = String::new();
                format.write(self.exchange, &mut line);
                out.extend_from_slice(line.trim_ascii_end().as_bytes());
            }
        }
    }

    fn of_request(&self, name: &str, out: &mut Vec<u8>) -> bool {
        let Request { method, scheme, authority, path, query, .. } = self.request;
        match name {
            ":method" => append(Some(method.as_bytes()), out),
            ":scheme" => append(Some(scheme.as_bytes()), out),
            ":authority" | "host" => append(Some(authority.as_bytes()), out),
            ":path" => {
                let there = append(Some(path.as_bytes()), out);
                if !query.is_empty() {
                    out.push(b'?');
                    out.extend_from_slice(query.as_bytes());
                }
                there
            }
            name => append(self.request_headers.first(name), out),
        }
    }

    fn of_response(&self, name: &str, out: &mut Vec<u8>) -> bool {
        let Some((status, headers)) = self.response else { return false };
        if name == ":status" {
            return append(Some(Text::number(status.into()).as_bytes()), out);
        }
        append(headers.first(name), out)
    }
}

fn append(value: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(value.unwrap_or_default());
    value.is_some()
}

#[cfg(test)]
mod tests;

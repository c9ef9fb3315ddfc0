//! Formats that write JSON.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Number, Value as Json};

use super::{
    Missing, Surroundings,
    sink::{Sink, Style},
    template::{self, FORMAT_BYTES, OPERATORS, Template},
    value::Value,
};
use crate::{error::Error, exchange::Exchange};

/// A JSON value with operators in it.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(Template),
    Number(Number),
    List(Vec<Node>),
    /// Keys are escaped already, and sorted.
    Object(Vec<(String, Node)>),
}

/// Reads an object.
pub(super) fn parse(json: &str, surroundings: &Surroundings<'_>) -> Result<Node, Error> {
    if json.len() > FORMAT_BYTES {
        return Err(template::too_long());
    }
    match serde_json::from_str(json).map_err(|error| Error::Json(error.to_string()))? {
        object @ Json::Object(_) => {
            let node = Node::new(object, surroundings)?;
            if node.operators() > OPERATORS { Err(template::too_long()) } else { Ok(node) }
        }
        _ => Err(Error::Json("the outermost value is no object".into())),
    }
}

// === impl Node ===

impl Node {
    fn new(json: Json, surroundings: &Surroundings<'_>) -> Result<Self, Error> {
        Ok(match json {
            Json::String(text) => Self::Text(template::parse(&text, surroundings)?),
            Json::Number(number) => Self::Number(number),
            Json::Array(values) => {
                let nodes = values.into_iter().map(|value| Self::new(value, surroundings));
                Self::List(nodes.collect::<Result<_, _>>()?)
            }
            Json::Object(members) => {
                let members: BTreeMap<String, Json> = members.into_iter().collect();
                let member = |(key, value): (String, Json)| {
                    let mut escaped = String::new();
                    Sink::new(&mut escaped, Style::Json).literal(&key);
                    Ok((escaped, Self::new(value, surroundings)?))
                };
                Self::Object(members.into_iter().map(member).collect::<Result<_, _>>()?)
            }
            Json::Null | Json::Bool(_) => return Err(Error::Json("true, false and null are not taken".into())),
        })
    }

    fn operators(&self) -> usize {
        match self {
            Self::Text(template) => template.operators(),
            Self::Number(_) => 0,
            Self::List(nodes) => nodes.iter().map(Self::operators).sum(),
            Self::Object(members) => members.iter().map(|(_, node)| node.operators()).sum(),
        }
    }

    /// Appends its value.
    pub fn write(&self, exchange: &Exchange<'_>, missing: Missing, out: &mut String) {
        match self {
            Self::Text(template) => match template.single().map(|operator| (operator, operator.find(exchange))) {
                Some((_, Value::Missing)) => out.push_str("null"),
                Some((_, Value::Number(number))) => {
                    let _ = write!(out, "{number}");
                }
                Some((operator, value)) => {
                    out.push('"');
                    operator.print(value, &mut Sink::new(out, Style::Json));
                    out.push('"');
                }
                None => {
                    out.push('"');
                    template.write(exchange, missing, &mut Sink::new(out, Style::Json));
                    out.push('"');
                }
            },
            Self::Number(number) => {
                let _ = write!(out, "{number}");
            }
            Self::List(nodes) => {
                let present = nodes.iter().filter(|node| !node.is_left_out(exchange, missing));
                bracketed(out, ['[', ']'], present, |node, out| node.write(exchange, missing, out));
            }
            Self::Object(members) => {
                let present = members.iter().filter(|(_, node)| !node.is_left_out(exchange, missing));
                bracketed(out, ['{', '}'], present, |(key, node), out| {
                    let _ = write!(out, "\"{key}\":");
                    node.write(exchange, missing, out);
                });
            }
        }
    }

    fn is_left_out(&self, exchange: &Exchange<'_>, missing: Missing) -> bool {
        let Self::Text(template) = self else { return false };
        missing == Missing::Omitted
            && template.single().is_some_and(|operator| matches!(operator.find(exchange), Value::Missing))
    }

    pub fn redacted<'a>(&'a self, found: &mut Vec<&'a str>) {
        match self {
            Self::Text(template) => template.redacted(found),
            Self::Number(_) => {}
            Self::List(nodes) => nodes.iter().for_each(|node| node.redacted(found)),
            Self::Object(members) => members.iter().for_each(|(_, node)| node.redacted(found)),
        }
    }
}

fn bracketed<T>(out: &mut String, brackets: [char; 2], items: impl Iterator<Item = T>, write: impl Fn(T, &mut String)) {
    out.push(brackets[0]);
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(brackets[1]);
}

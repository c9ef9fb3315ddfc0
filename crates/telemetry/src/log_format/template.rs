//! Texts with operators in them.

use super::{
    Missing, Surroundings,
    operator::{Operator, Written},
    sink::Sink,
    value::Value,
};
use crate::{error::Error, exchange::Exchange};

/// Bytes of a format at most.
pub(super) const FORMAT_BYTES: usize = 16 << 10;
/// Operators of a text at most.
pub(super) const OPERATORS: usize = 256;

/// A text with operators in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    Operator(Operator),
}

pub(super) fn too_long() -> Error {
    Error::FormatTooLong { bytes: FORMAT_BYTES, operators: OPERATORS }
}

/// Reads `%NAME%`, `%NAME(PARAMETERS)%`, `%NAME(PARAMETERS):LENGTH%`, and `%%` for a percent sign.
pub(super) fn parse(text: &str, surroundings: &Surroundings<'_>) -> Result<Template, Error> {
    if text.len() > FORMAT_BYTES {
        return Err(too_long());
    }
    let mut template = Template::default();
    let mut rest = text;
    while let Some((literal, behind)) = rest.split_once('%') {
        template.push_literal(literal);
        if let Some(behind) = behind.strip_prefix('%') {
            template.push_literal("%");
            rest = behind;
            continue;
        }
        let at = text.len() - behind.len() - 1;
        let (written, behind) = operator(behind).ok_or(Error::Syntax { at })?;
        template.parts.push(Part::Operator(Operator::parse(written, surroundings)?));
        if template.operators() > OPERATORS {
            return Err(too_long());
        }
        rest = behind;
    }
    template.push_literal(rest);
    Ok(template)
}

/// An operator without its first `%`, and what follows it.
fn operator(text: &str) -> Option<(Written<'_>, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))?;
    let (name, mut rest) = text.split_at_checked(end).filter(|(name, _)| !name.is_empty())?;
    let mut parameters = None;
    if let Some(inside) = rest.strip_prefix('(') {
        let (inside, behind) = inside.split_once(')')?;
        parameters = Some(inside);
        rest = behind;
    }
    let mut length = None;
    if let Some(digits) = rest.strip_prefix(':') {
        let end = digits.find(|c: char| !c.is_ascii_digit())?;
        let (digits, behind) = digits.split_at_checked(end)?;
        length = Some(digits.parse().ok()?);
        rest = behind;
    }
    Some((Written { name, parameters, length }, rest.strip_prefix('%')?))
}

// === impl Template ===

impl Template {
    /// Appends text as it is.
    pub fn push_literal(&mut self, text: &str) {
        match self.parts.last_mut() {
            _ if text.is_empty() => {}
            Some(Part::Literal(literal)) => literal.push_str(text),
            _ => self.parts.push(Part::Literal(text.to_owned())),
        }
    }

    /// Its operator, if it is nothing else.
    pub fn single(&self) -> Option<&Operator> {
        match self.parts.as_slice() {
            [Part::Operator(operator)] => Some(operator),
            _ => None,
        }
    }

    pub fn operators(&self) -> usize {
        self.parts.iter().filter(|part| matches!(part, Part::Operator(_))).count()
    }

    pub fn write(&self, exchange: &Exchange<'_>, missing: Missing, sink: &mut Sink<'_>) {
        for part in &self.parts {
            match part {
                Part::Literal(text) => sink.literal(text),
                Part::Operator(operator) => match (operator.find(exchange), missing) {
                    (Value::Missing, Missing::Shown) => sink.literal("-"),
                    (value, _) => operator.print(value, sink),
                },
            }
        }
    }

    pub fn redacted<'a>(&'a self, found: &mut Vec<&'a str>) {
        for part in &self.parts {
            if let Part::Operator(operator) = part {
                operator.redacted(found);
            }
        }
    }
}

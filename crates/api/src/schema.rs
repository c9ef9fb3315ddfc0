//! Kinds as tables: one list of fields a message, from which the type, its decoder and its [`Shape`] follow.
//!
//! [`message!`] makes a struct whose fields are read by their JSON name (or, with a finding, their
//! snake_case name); [`choice!`] makes an enum read by name or, with a finding, by number. What a table
//! cannot say a `check` says: a function that sees the value and where it stands.

use std::collections::BTreeMap;

use crate::{
    decode::{Decoder, Field, Record, join, last, quoted},
    finding::code,
    tree::{Entry, Key, Mapping, Node, Scalar, Type, Value},
};

mod duration;
mod scalar;

/// A value that can be read from the tree.
pub(crate) trait Decode: Sized {
    /// What it looks like.
    const SHAPE: Shape;

    /// Reads it; what is wrong is reported.
    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self>;
}

/// What a value looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Text, number, boolean or one of a set of names.
    Scalar,
    /// A list.
    List(&'static Shape),
    /// A mapping with free keys.
    Map(&'static Shape),
    /// A mapping with fixed fields.
    Message(&'static Message),
    /// Anything.
    Any,
}

/// A mapping with fixed fields.
#[derive(Debug)]
pub(crate) struct Message {
    /// Name and shape of each field.
    pub(crate) fields: &'static [(&'static str, &'static Shape)],
}

/// How a field is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    required: bool,
    older: Option<&'static str>,
    without_effect: Option<&'static str>,
}

// === impl Reading ===

impl Reading {
    pub(crate) const PLAIN: Self = Self { required: false, older: None, without_effect: None };

    /// It must be there.
    pub(crate) const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// It acts, and what to write today is named.
    pub(crate) const fn older(self, present: &'static str) -> Self {
        Self { older: Some(present), ..self }
    }

    /// It is legal and has no effect; the word says why or what to do, and may be empty.
    pub(crate) const fn without_effect(self, hint: &'static str) -> Self {
        Self { without_effect: Some(hint), ..self }
    }
}

// === impl Record ===

impl Record<'_> {
    /// A field of a table.
    pub(crate) fn read<T: Decode + Default>(
        &mut self,
        decoder: &mut Decoder<'_>,
        name: &'static str,
        reading: Reading,
    ) -> T {
        let field = match T::SHAPE {
            Shape::Scalar => self.get(decoder, name),
            _ => self.structure(decoder, name),
        };
        let Some(field) = field else {
            if reading.required {
                decoder.missing(self, name, "");
            }
            return T::default();
        };
        if let Some(present) = reading.older {
            let message = format!("`{name}` is an older spelling");
            decoder.report(code::OLD_SPELLING, &field, message, format!("write {present}"));
        }
        if let Some(hint) = reading.without_effect {
            decoder.not_acted_on(&field, hint);
        }
        T::decode(decoder, &field).unwrap_or_default()
    }
}

// === impl Field ===

impl<'t> Field<'t> {
    /// The value of `name` below, in either spelling, unless it is absent or null. For checks.
    pub(crate) fn child(&self, name: &str) -> Option<Field<'t>> {
        let node = self.node.get(name).or_else(|| self.node.get(&crate::decode::snake_case(name)))?;
        (!node.is_null()).then(|| Field { node, path: join(&self.path, name) })
    }

    /// The value of `name` below, else this one: where to point to.
    pub(crate) fn at(&self, name: &str) -> Field<'t> {
        self.child(name).unwrap_or_else(|| self.clone())
    }

    /// Whether `name` below is given and cannot be read, so that a default stands for it. For checks.
    pub(crate) fn unreadable<T: Decode>(&self, name: &str) -> bool {
        self.child(name).is_some_and(|value| T::decode(&mut Decoder::new("", None), &value).is_none())
    }

    /// Whether `name` below is not given, or is an empty text. For checks.
    pub(crate) fn lacks(&self, name: &str) -> bool {
        self.child(name).is_none_or(|value| value.node.text() == Some(""))
    }

    /// Items of the list `name` below, without a word if it is none. For checks.
    pub(crate) fn items(&self, name: &str) -> Vec<Field<'t>> {
        self.child(name).map(|list| list.each()).unwrap_or_default()
    }

    /// Items of a list, without a word if it is none. For checks.
    pub(crate) fn each(&self) -> Vec<Field<'t>> {
        let Value::Sequence(items) = &self.node.value else { return Vec::new() };
        let item = |(index, node)| Field { node, path: format!("{}[{index}]", self.path) };
        items.iter().enumerate().map(item).collect()
    }

    /// Entries of a mapping, without a word if it is none. For checks.
    pub(crate) fn pairs(&self) -> Vec<(&'t Key, Field<'t>)> {
        let Value::Mapping(mapping) = &self.node.value else { return Vec::new() };
        let pair =
            |entry: &'t Entry| (&entry.key, Field { node: &entry.value, path: join(&self.path, &entry.key.text) });
        mapping.entries.iter().map(pair).collect()
    }
}

// === impl Decoder ===

impl Decoder<'_> {
    /// Reports if more than one of `names` is given below `field`; gives those that are.
    pub(crate) fn at_most_one<'n>(&mut self, field: &Field<'_>, names: &[&'n str]) -> Vec<&'n str> {
        let given: Vec<&str> = names.iter().copied().filter(|name| field.child(name).is_some()).collect();
        if let [first, second, ..] = given[..] {
            let message = format!("`{second}` excludes `{first}`");
            self.report(code::CONFLICT, &field.at(second), message, "keep one of them");
        }
        given
    }
}

impl<T: Decode> Decode for Option<T> {
    const SHAPE: Shape = T::SHAPE;

    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        T::decode(decoder, field).map(Some)
    }
}

impl<T: Decode> Decode for Box<T> {
    const SHAPE: Shape = T::SHAPE;

    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        T::decode(decoder, field).map(Box::new)
    }
}

impl<T: Decode> Decode for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);

    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        Some(decoder.items(field).iter().filter_map(|item| T::decode(decoder, item)).collect())
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    const SHAPE: Shape = Shape::Map(&T::SHAPE);

    fn decode(decoder: &mut Decoder<'_>, field: &Field<'_>) -> Option<Self> {
        let entries = decoder.entries(field);
        Some(entries.iter().filter_map(|(key, value)| Some((key.text.clone(), T::decode(decoder, value)?))).collect())
    }
}

/// `spec` of an object whose kind is a table; none is an empty one, which may lack what the kind requires.
pub(crate) fn spec<T: Decode + Default>(decoder: &mut Decoder<'_>, root: &mut Record<'_>) -> T {
    let Some(field) = root.structure(decoder, "spec") else {
        let value = Value::Mapping(Mapping::default());
        let node = Node { value, mark: root.field.node.mark, range: root.field.node.range.clone(), copied: false };
        return T::decode(decoder, &Field { node: &node, path: "spec".into() }).unwrap_or_default();
    };
    T::decode(decoder, &field).unwrap_or_default()
}

/// Reads one of a table of names and numbers.
pub(crate) fn choose<T: Copy>(
    decoder: &mut Decoder<'_>,
    field: &Field<'_>,
    values: &[(&'static str, i64, T)],
    older: &[(&'static str, i64, T, &'static str)],
) -> Option<T> {
    let names = || values.iter().map(|(name, ..)| *name);
    let what = last(&field.path).to_owned();
    if let Some(Type::Integer(number)) = field.node.scalar().map(Scalar::kind) {
        let found = values.iter().find(|(_, n, _)| *n == number).map(|(name, _, value)| (*name, *value));
        let old = older.iter().find(|(_, n, ..)| *n == number).map(|(_, _, value, present)| (*present, *value));
        let Some((name, value)) = found.or(old) else {
            decoder.bad_enum(field, &number.to_string(), names());
            return None;
        };
        let message = format!("`{what}` is given by its number {number}");
        decoder.report(code::OLD_SPELLING, field, message, format!("write `{name}`"));
        return Some(value);
    }
    let text = decoder.text(field)?;
    if let Some((.., value)) = values.iter().find(|(name, ..)| *name == text) {
        return Some(*value);
    }
    if let Some((.., value, present)) = older.iter().find(|(name, ..)| *name == text) {
        let message = format!("{} is an older spelling", quoted(text));
        decoder.report(code::OLD_SPELLING, field, message, format!("write `{present}`"));
        return Some(*value);
    }
    decoder.bad_enum(field, text, names());
    None
}

/// A kind's or message's type, decoder and shape from one table.
macro_rules! message {
    (
        $(#[$meta:meta])*
        $Name:ident {
            $( $(#[$about:meta])* $field:ident: $Type:ty = $json:literal $( => $($how:ident ( $($arg:expr)? )).+ )? ; )*
        }
        $( check $check:path )?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $Name {
            $( $(#[$about])* pub $field: $Type, )*
        }

        impl $crate::schema::Decode for $Name {
            const SHAPE: $crate::schema::Shape = $crate::schema::Shape::Message(&$crate::schema::Message {
                fields: &[ $( ($json, &<$Type as $crate::schema::Decode>::SHAPE), )* ],
            });

            fn decode(
                decoder: &mut $crate::decode::Decoder<'_>,
                field: &$crate::decode::Field<'_>,
            ) -> Option<Self> {
                #[allow(unused_mut)]
                let mut record = decoder.record(field, $crate::decode::Spelling::Proto)?;
                let message = Self {
                    $( $field: record.read(
                        decoder,
                        $json,
                        $crate::schema::Reading::PLAIN $( $(.$how($($arg)?))+ )?,
                    ), )*
                };
                record.finish(decoder);
                $( $check(&message, decoder, field); )?
                Some(message)
            }
        }
    };
}

/// An enum that is read by name or number. The first value is the default.
macro_rules! choice {
    (
        $(#[$meta:meta])*
        $Name:ident {
            $( $(#[$about:meta])* $Value:ident = $number:literal $text:literal, )+
        }
        $( older { $( $old:literal $old_number:literal as $Acting:ident $present:literal, )* } )?
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $Name {
            $( $(#[$about])* $Value, )+
        }

        impl $Name {
            const VALUES: &'static [(&'static str, i64, Self)] = &[ $( ($text, $number, Self::$Value), )+ ];
            const OLDER: &'static [(&'static str, i64, Self, &'static str)] =
                &[ $( $( ($old, $old_number, Self::$Acting, $present), )* )? ];

            /// Its name as it is written.
            pub fn as_str(self) -> &'static str {
                match self {
                    $( Self::$Value => $text, )+
                }
            }
        }

        impl Default for $Name {
            fn default() -> Self {
                Self::VALUES[0].2
            }
        }

        impl $crate::schema::Decode for $Name {
            const SHAPE: $crate::schema::Shape = $crate::schema::Shape::Scalar;

            fn decode(
                decoder: &mut $crate::decode::Decoder<'_>,
                field: &$crate::decode::Field<'_>,
            ) -> Option<Self> {
                $crate::schema::choose(decoder, field, Self::VALUES, Self::OLDER)
            }
        }
    };
}

pub(crate) use {choice, message};

//! Where in an object the next line belongs.

use std::collections::HashSet;

use super::super::scan::Form;
use crate::{
    decode::snake_case,
    schema::{Message, Shape},
};

/// The collections of an object that are open, outermost first.
#[derive(Debug)]
pub(super) struct Places {
    open: Vec<Open>,
    strictness: Strictness,
}

/// A key and what is given to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'t> {
    pub(super) key: &'t str,
    pub(super) value: Given<'t>,
}

/// A value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Given<'t> {
    /// It is on the line.
    Here(Form),
    /// It is a line of its own below.
    Below(Form),
    /// It is a collection below, or nothing; this is what the next line looks like.
    Nested(Next<'t>),
}

/// What a line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next<'t> {
    /// An item, with its key if it has one.
    Item(Option<&'t str>),
    /// A key.
    Entry(&'t str),
    /// There is none.
    Nothing,
}

/// What stands behind the dash of an item.
#[derive(Clone, Copy, Debug)]
pub(super) enum Item<'t> {
    Entry(Entry<'t>),
    Value(Form),
    /// Another dash.
    Dash,
}

/// Where a line stood: the column of its first character and that of its key.
pub(super) type Stood = (usize, usize);

/// Where a line was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) column: usize,
    /// Number of places that it suits, this one included.
    pub(super) choices: usize,
}

#[derive(Debug)]
struct Open {
    node: Node,
    /// Column where its keys will stand.
    column: usize,
    /// Column where its dashes will stand.
    dashes: usize,
    /// Where its first line stood.
    first: Option<Stood>,
    /// Column of the line that opened it.
    from: usize,
}

#[derive(Debug)]
enum Node {
    Message {
        message: &'static Message,
        given: HashSet<&'static str>,
    },
    Map {
        value: &'static Shape,
        given: HashSet<String>,
    },
    List {
        item: &'static Shape,
    },
    /// A value that is no collection and that is still to come.
    Scalar,
    /// It may become a map or a list.
    Any,
}

/// Blanks that one level adds.
const STEP: usize = 2;

/// How strictly a place must suit a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strictness(&'static [(Column, Value)]);

/// Whether a line must have stood in the column of its place. It always has if all indentation is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    Same,
    Any,
}

/// Whether a value must look as its place wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    Suits,
    Any,
}

// === impl Strictness ===

impl Strictness {
    /// Values look as their places want them.
    pub(super) const STRICT: Self = Self(&[(Column::Same, Value::Suits), (Column::Any, Value::Suits)]);
    /// If there is no other way, a value may have a form that its place does not allow.
    pub(super) const LAX: Self = Self(&[
        (Column::Same, Value::Suits),
        (Column::Any, Value::Suits),
        (Column::Same, Value::Any),
        (Column::Any, Value::Any),
    ]);
}

// === impl Places ===

impl Places {
    pub(super) fn new(root: &'static Message, strictness: Strictness) -> Self {
        let node = Node::Message { message: root, given: HashSet::new() };
        Self { open: vec![Open { node, column: 0, dashes: 0, first: None, from: 0 }], strictness }
    }

    /// Places a line with a key. At its first turn it goes to the innermost message that knows the key and lacks it, else to the
    /// innermost map; to a map that is empty also if a message around it would know the key.
    pub(super) fn entry(&mut self, entry: Entry<'_>, stood: Stood, turn: usize) -> Option<Spot> {
        let places = self.find(stood, |open, value| open.node.takes(entry, value));
        self.open.truncate(places.get(turn)? + 1);
        let column = self.enter(entry, stood)?;
        Some(Spot { column, choices: places.len() })
    }

    /// Places the dash of an item and what stands behind it. At its first turn it goes to the innermost list whose items
    /// look like that.
    pub(super) fn item(&mut self, item: Item<'_>, stood: Stood, turn: usize) -> Option<Spot> {
        let spot = self.dash(item, stood, turn)?;
        match item {
            Item::Entry(entry) => {
                self.enter(entry, stood)?;
            }
            Item::Value(_) => {
                self.open.pop();
            }
            Item::Dash => {}
        }
        Some(spot)
    }

    /// Places a dash whose item follows below.
    pub(super) fn dash(&mut self, item: Item<'_>, stood: Stood, turn: usize) -> Option<Spot> {
        let places = self.find(stood, |open, value| open.node.takes_item(item, value));
        self.open.truncate(places.get(turn)? + 1);
        let list = self.open.last_mut()?;
        if matches!(list.node, Node::Any) {
            list.node = Node::List { item: &Shape::Any };
        }
        let Node::List { item } = list.node else { return None };
        list.first.get_or_insert(stood);
        let column = list.dashes;
        let (keys, dashes) = (column + STEP, column + STEP);
        self.open.push(Open { node: Node::new(item), column: keys, dashes, first: None, from: stood.0 });
        Some(Spot { column, choices: places.len() })
    }

    /// Places a value on a line of its own; gives its column.
    pub(super) fn value(&mut self, form: Form) -> Option<usize> {
        let open = self.open.last().filter(|open| open.first.is_none() && open.node.takes_value(form))?;
        let column = open.column;
        self.open.pop();
        Some(column)
    }

    /// Names of fields that would have a place.
    pub(super) fn lacking(&self) -> impl Iterator<Item = &'static str> {
        self.messages().flat_map(|(message, given)| {
            message.fields.iter().map(|(name, _)| *name).filter(|name| !given.contains(name))
        })
    }

    /// Whether the field `key` would have a place if it were not there already.
    pub(super) fn has(&self, key: &str) -> bool {
        self.messages().any(|(message, given)| field(message, key).is_some_and(|(name, _)| given.contains(name)))
    }

    fn messages(&self) -> impl Iterator<Item = (&'static Message, &HashSet<&'static str>)> {
        self.open.iter().filter_map(|open| match &open.node {
            Node::Message { message, given } => Some((*message, given)),
            _ => None,
        })
    }

    /// Indices of the collections that a line may go to, the likeliest first.
    fn find(&self, stood: Stood, takes: impl Fn(&Open, Value) -> Option<Takes>) -> Vec<usize> {
        for &(column, value) in self.strictness.0 {
            let (mut certain, mut free) = (Vec::new(), Vec::new());
            for (at, open) in self.open.iter().enumerate().rev() {
                if column == Column::Same && !open.stood_with(stood.0) {
                    continue;
                }
                match takes(open, value) {
                    Some(Takes::Certainly) => certain.push(at),
                    Some(Takes::Freely) => free.push(at),
                    None => {}
                }
            }
            certain.append(&mut free);
            if !certain.is_empty() {
                return certain;
            }
        }
        Vec::new()
    }

    /// Puts an entry into the innermost collection.
    fn enter(&mut self, entry: Entry<'_>, stood: Stood) -> Option<usize> {
        let open = self.open.last_mut()?;
        if matches!(open.node, Node::Any) {
            open.node = Node::Map { value: &Shape::Any, given: HashSet::new() };
        }
        let shape = match &mut open.node {
            Node::Message { message, given } => {
                let (name, shape) = field(message, entry.key)?;
                given.insert(name);
                shape
            }
            Node::Map { value, given } => {
                given.insert(entry.key.to_owned());
                *value
            }
            _ => return None,
        };
        open.first.get_or_insert(stood);
        let column = open.column;
        if !matches!(entry.value, Given::Here(_)) {
            let node = Node::new(shape);
            self.open.push(Open { node, column: column + STEP, dashes: column, first: None, from: stood.0 });
        }
        Some(column)
    }
}

/// How sure it is that a line belongs to a collection.
enum Takes {
    Certainly,
    Freely,
}

// === impl Open ===

impl Open {
    fn stood_with(&self, column: usize) -> bool {
        match self.first {
            Some((first, key)) => (first..=key).contains(&column),
            None => column >= self.from,
        }
    }
}

// === impl Node ===

impl Node {
    fn new(shape: &'static Shape) -> Self {
        match shape {
            Shape::Scalar => Self::Scalar,
            Shape::List(item) => Self::List { item },
            Shape::Map(value) => Self::Map { value, given: HashSet::new() },
            Shape::Message(message) => Self::Message { message, given: HashSet::new() },
            Shape::Any => Self::Any,
        }
    }

    fn takes(&self, entry: Entry<'_>, value: Value) -> Option<Takes> {
        let suits = |shape| value == Value::Any || suits(shape, entry.value);
        match self {
            Self::Message { message, given } => {
                let (name, shape) = field(message, entry.key)?;
                (!given.contains(name) && suits(shape)).then_some(Takes::Certainly)
            }
            Self::Map { value, given } if !given.contains(entry.key) && suits(value) => {
                Some(if given.is_empty() { Takes::Certainly } else { Takes::Freely })
            }
            Self::Any => Some(Takes::Certainly),
            _ => None,
        }
    }

    fn takes_item(&self, item: Item<'_>, value: Value) -> Option<Takes> {
        let shape = match self {
            Self::List { item } => item,
            Self::Any => return Some(Takes::Certainly),
            _ => return None,
        };
        let suits = match (item, shape) {
            (_, Shape::Any) | (Item::Dash, Shape::List(_)) => true,
            (Item::Entry(entry), Shape::Message(_) | Shape::Map(_)) => Self::new(shape).takes(entry, value).is_some(),
            (Item::Value(form), shape) => suits(shape, Given::Here(form)),
            _ => false,
        };
        suits.then_some(Takes::Certainly)
    }

    fn takes_value(&self, form: Form) -> bool {
        match self {
            Self::Any => true,
            Self::Scalar => suits(&Shape::Scalar, Given::Here(form)),
            Self::List { .. } => matches!(form, Form::FlowList | Form::Null | Form::Alias),
            Self::Map { .. } | Self::Message { .. } => matches!(form, Form::FlowMap | Form::Null | Form::Alias),
        }
    }
}

/// Whether a value of this shape can be written so.
fn suits(shape: &'static Shape, given: Given<'_>) -> bool {
    let form = match given {
        Given::Here(form) | Given::Below(form) => form,
        Given::Nested(next) => {
            return match shape {
                Shape::Scalar => false,
                Shape::Any => true,
                Shape::List(item) => match next {
                    Next::Item(Some(key)) => has_key(item, key),
                    Next::Item(None) | Next::Nothing => true,
                    Next::Entry(_) => false,
                },
                Shape::Map(_) | Shape::Message(_) => match next {
                    Next::Entry(key) => has_key(shape, key),
                    Next::Nothing => true,
                    Next::Item(_) => false,
                },
            };
        }
    };
    match shape {
        _ if matches!(form, Form::Null | Form::Alias) => true,
        Shape::Any => true,
        Shape::Scalar => matches!(form, Form::Plain | Form::Quoted | Form::Block(_)),
        Shape::List(_) => form == Form::FlowList,
        Shape::Map(_) | Shape::Message(_) => form == Form::FlowMap,
    }
}

/// Whether a value of this shape may have such a key.
fn has_key(shape: &'static Shape, key: &str) -> bool {
    match shape {
        Shape::Message(message) => field(message, key).is_some(),
        Shape::Map(_) | Shape::Any => true,
        Shape::List(_) | Shape::Scalar => false,
    }
}

/// The field that `key` names, in either spelling.
fn field(message: &'static Message, key: &str) -> Option<(&'static str, &'static Shape)> {
    message.fields.iter().find(|(name, _)| *name == key || snake_case(name) == key).copied()
}

//! Changes of a head's fields, gathered one after another.

use std::{cell::RefCell, fmt, mem::take, ops::Deref, thread::LocalKey};

use ripstop_exchange::FieldChange;
use ripstop_telemetry::Headers;

/// Changes of fields in the order in which they were asked for. What is asked for later wins: a field that is set or
/// removed loses what was set or added before.
#[derive(Clone, Debug, Default)]
pub struct Edits<'a>(Vec<Edit<'a>>);

/// Edits as an exchange takes them.
#[derive(Debug)]
pub struct EditList<'e>(Vec<FieldChange<'e>>);

/// Storages that are kept for the next requests of a thread, of each kind.
const KEPT: usize = 64;
/// Entries that a storage may have room for and still be kept.
const LARGEST: usize = 64;

thread_local! {
    static EDITS: RefCell<Vec<Vec<Edit<'static>>>> = const { RefCell::new(Vec::new()) };
    static LISTS: RefCell<Vec<Vec<FieldChange<'static>>>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Debug)]
struct Edit<'a> {
    name: &'a [u8],
    what: What<'a>,
}

#[derive(Clone, Debug)]
enum What<'a> {
    Set(Text<'a>),
    Add(Text<'a>),
    Remove,
}

/// Bytes of a [`Text`] that are kept in place: a `traceparent` has 55, a UUID 36.
const SHORT: usize = 56;

/// Text of a field: borrowed, or short and in place, or on the heap.
#[derive(Clone)]
pub struct Text<'a>(Kept<'a>);

#[derive(Clone)]
enum Kept<'a> {
    Borrowed(&'a [u8]),
    Short([u8; SHORT], usize),
    Owned(Vec<u8>),
}

/// A head's fields as they will be after edits.
#[derive(Clone, Copy)]
pub struct Edited<'e, 'a, H: ?Sized> {
    original: &'e H,
    edits: &'e Edits<'a>,
}

/// Fields of the connection, of framing and the host: an exchange makes these itself and refuses changes of them.
const NOT_CHANGED: [&str; 9] = [
    "te",
    "host",
    "upgrade",
    "connection",
    "keep-alive",
    "content-length",
    "http2-settings",
    "proxy-connection",
    "transfer-encoding",
];

/// Whether a field may be changed. One that can't is left as it is, rather than to fail each request of a rule.
pub fn is_changeable(name: &str) -> bool {
    !name.starts_with(':') && !NOT_CHANGED.iter().any(|fixed| fixed.eq_ignore_ascii_case(name))
}

// === impl Edits ===

impl<'a> Edits<'a> {
    /// None yet.
    pub fn new() -> Self {
        Self(kept(&EDITS))
    }

    /// The field has this value and no other.
    pub fn set(&mut self, name: &'a (impl AsRef<[u8]> + ?Sized), value: impl Into<Text<'a>>) {
        let name = name.as_ref();
        self.forget(name);
        self.0.push(Edit { name, what: What::Set(value.into()) });
    }

    /// The field has this value besides those that it has.
    pub fn add(&mut self, name: &'a (impl AsRef<[u8]> + ?Sized), value: impl Into<Text<'a>>) {
        self.0.push(Edit { name: name.as_ref(), what: What::Add(value.into()) });
    }

    /// The field is gone.
    pub fn remove(&mut self, name: &'a (impl AsRef<[u8]> + ?Sized)) {
        let name = name.as_ref();
        self.forget(name);
        self.0.push(Edit { name, what: What::Remove });
    }

    fn forget(&mut self, name: &[u8]) {
        self.0.retain(|edit| !edit.name.eq_ignore_ascii_case(name));
    }

    /// What a head with the fields `original` has after them.
    pub fn on<'e, H: Headers + ?Sized>(&'e self, original: &'e H) -> Edited<'e, 'a, H> {
        Edited { original, edits: self }
    }

    /// As an exchange takes them.
    pub fn list(&self) -> EditList<'_> {
        let mut list = kept(&LISTS);
        list.extend(self.0.iter().map(|Edit { name, what }| match what {
            What::Set(value) => FieldChange::Set { name, value: value.as_bytes() },
            What::Add(value) => FieldChange::Add { name, value: value.as_bytes() },
            What::Remove => FieldChange::Remove { name },
        }));
        EditList(list)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Edits<'_> {
    fn drop(&mut self) {
        keep(&EDITS, emptied(take(&mut self.0), |_| None));
    }
}

// === impl EditList ===

impl<'e> EditList<'e> {
    /// The field has this value besides those that it has.
    pub fn push(&mut self, change: FieldChange<'e>) {
        self.0.push(change);
    }
}

impl<'e> Deref for EditList<'e> {
    type Target = [FieldChange<'e>];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for EditList<'_> {
    fn drop(&mut self) {
        keep(&LISTS, emptied(take(&mut self.0), |_| None));
    }
}

type Storages<T> = LocalKey<RefCell<Vec<Vec<T>>>>;

/// A storage with nothing in it.
fn kept<T>(pool: &'static Storages<T>) -> Vec<T> {
    pool.try_with(|pool| pool.borrow_mut().pop()).ok().flatten().unwrap_or_default()
}

/// Keeps a storage, unless there are enough.
fn keep<T>(pool: &'static Storages<T>, storage: Vec<T>) {
    if (1..=LARGEST).contains(&storage.capacity()) {
        // A thread that is ending has no pool any more.
        let _ = pool.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < KEPT {
                pool.push(storage);
            }
        });
    }
}

/// A storage of what lived shorter, for what lives longer: collecting in place keeps the room.
fn emptied<T, U>(mut storage: Vec<T>, nothing: impl FnMut(T) -> Option<U>) -> Vec<U> {
    storage.clear();
    storage.into_iter().filter_map(nothing).collect()
}

// === impl Edited ===

impl<H: Headers + ?Sized> Headers for Edited<'_, '_, H> {
    fn visit<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
        let edits = || self.edits.0.iter().filter(|edit| edit.name.eq_ignore_ascii_case(name.as_bytes()));
        if edits().all(|edit| matches!(edit.what, What::Add(_))) {
            self.original.visit(name, visit);
        }
        for edit in edits() {
            if let What::Set(value) | What::Add(value) = &edit.what {
                visit(value.as_bytes());
            }
        }
    }
}

// === impl Text ===

impl Text<'_> {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Kept::Borrowed(bytes) => bytes,
            Kept::Short(bytes, length) => &bytes[..*length],
            Kept::Owned(bytes) => bytes,
        }
    }

    /// A copy, in place if it is short.
    pub fn copied(bytes: &[u8]) -> Text<'static> {
        let mut short = [0; SHORT];
        match short.get_mut(..bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                Text(Kept::Short(short, bytes.len()))
            }
            None => Text(Kept::Owned(bytes.to_vec())),
        }
    }

    /// A number in digits.
    pub fn number(mut number: u64) -> Text<'static> {
        let mut digits = [0; 20];
        let mut first = digits.len();
        loop {
            first -= 1;
            // A remainder of ten is a digit.
            digits[first] = b'0' + u8::try_from(number % 10).unwrap_or(0);
            number /= 10;
            if number == 0 {
                return Text::copied(&digits[first..]);
            }
        }
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Kept::Borrowed(text.as_bytes()))
    }
}

impl<'a> From<&'a [u8]> for Text<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(Kept::Borrowed(bytes))
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Self(Kept::Owned(text.into_bytes()))
    }
}

impl From<Vec<u8>> for Text<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Kept::Owned(bytes))
    }
}

impl PartialEq for Text<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text<'_> {}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(self.as_bytes()), f)
    }
}

#[cfg(test)]
mod tests;

//! Names that are known beforehand: the static table (RFC 7541 appendix A), and how fields of a name repeat.

use super::hash::hash;

#[cfg(test)]
mod tests;

/// Entries of the static table. Their indices are one more than here.
#[rustfmt::skip]
pub(super) const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""),
    ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""),
    ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
];

/// Names whose values hardly repeat from one message to the next.
const VARYING: [&str; 29] = [
    ":path",
    "age",
    "content-length",
    "content-range",
    "date",
    "etag",
    "expires",
    "forwarded",
    "grpc-timeout",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "range",
    "sec-websocket-accept",
    "sec-websocket-key",
    "set-cookie",
    "traceparent",
    "tracestate",
    "x-b3-parentspanid",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-correlation-id",
    "x-envoy-upstream-service-time",
    "x-forwarded-for",
    "x-request-id",
];

/// Names whose values are credentials, whatever their length.
const SECRET: [&str; 5] = ["authorization", "proxy-authorization", "x-api-key", "x-auth-token", "x-csrf-token"];

/// Names whose values are credentials: long ones cannot be guessed, short ones perhaps (RFC 7541 section 7.1.3).
const SECRET_IF_SHORT: [&str; 2] = ["cookie", "set-cookie"];

/// Values of this length are hard to guess.
const GUESSABLE: usize = 20;

/// How fields of a name repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// The same values come again.
    Repeats,
    /// The value is another one each time.
    Varies,
    /// The value is a secret.
    Secret,
}

/// A name, with what was known of it before any field came.
#[derive(Clone, Copy)]
pub(super) struct Name {
    /// The hash of the name.
    pub(super) hash: u64,
    /// Its place in [`NAMES`]; `NAMES.len()` if it is not there.
    place: usize,
}

/// Places of the table of names. Few names meet at a place, and none is far from its own.
const PLACES: usize = 256;

/// A name that is known.
#[derive(Clone, Copy)]
struct Known {
    name: &'static str,
    /// The first index in the static table, 0 if none.
    index: u8,
    /// How many entries of the static table have this name.
    entries: u8,
    habit: Habit,
    secret_if_short: bool,
}

/// Known names by their hashes. A name is at the place that its hash says, or at one of the next up to an empty one.
static NAMES: [Option<Known>; PLACES] = names();

// === impl Name ===

impl Name {
    /// Looks a name up.
    pub(super) fn of(name: &[u8]) -> Self {
        let hash = hash(0, name);
        let mut place = first_place(hash);
        while let Some(known) = &NAMES[place] {
            if known.name.as_bytes() == name {
                return Self { hash, place };
            }
            place = (place + 1) % PLACES;
        }
        Self { hash, place: PLACES }
    }

    /// The index of the name in the static table; 0 if it is not there.
    pub(super) fn index(self) -> usize {
        self.known().map_or(0, |known| usize::from(known.index))
    }

    /// The index of the field in the static table; 0 if it is not there.
    pub(super) fn index_with(self, value: &[u8]) -> usize {
        let Some(known) = self.known() else { return 0 };
        let first = usize::from(known.index);
        (first..first + usize::from(known.entries))
            .find(|index| STATIC[index - 1].1.as_bytes() == value)
            .unwrap_or_default()
    }

    /// How a field with this name and value repeats.
    pub(super) fn habit(self, value: &[u8]) -> Habit {
        match self.known() {
            Some(known) if known.secret_if_short && value.len() < GUESSABLE => Habit::Secret,
            Some(known) => known.habit,
            None => Habit::Repeats,
        }
    }

    fn known(self) -> Option<&'static Known> {
        NAMES.get(self.place).and_then(Option::as_ref)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "taken modulo the number of places")]
const fn first_place(hash: u64) -> usize {
    hash as usize % PLACES
}

const fn names() -> [Option<Known>; PLACES] {
    let mut table = [None; PLACES];
    let mut entry = 0;
    while entry < STATIC.len() {
        let name = STATIC[entry].0;
        let place = place_of(&table, name);
        table[place] = match table[place] {
            Some(known) => Some(Known { entries: known.entries + 1, ..known }),
            #[expect(clippy::cast_possible_truncation, reason = "there are 61")]
            None => Some(Known { index: entry as u8 + 1, entries: 1, ..unknown(name) }),
        };
        entry += 1;
    }
    table = with_habit(table, &VARYING, Habit::Varies);
    table = with_habit(table, &SECRET, Habit::Secret);
    let mut entry = 0;
    while entry < SECRET_IF_SHORT.len() {
        let place = place_of(&table, SECRET_IF_SHORT[entry]);
        if let Some(known) = &mut table[place] {
            known.secret_if_short = true;
        }
        entry += 1;
    }
    table
}

const fn with_habit(
    mut table: [Option<Known>; PLACES],
    names: &[&'static str],
    habit: Habit,
) -> [Option<Known>; PLACES] {
    let mut entry = 0;
    while entry < names.len() {
        let place = place_of(&table, names[entry]);
        let known = match table[place] {
            Some(known) => known,
            None => unknown(names[entry]),
        };
        table[place] = Some(Known { habit, ..known });
        entry += 1;
    }
    table
}

const fn unknown(name: &'static str) -> Known {
    Known { name, index: 0, entries: 0, habit: Habit::Repeats, secret_if_short: false }
}

/// Where `name` is, or is to be put.
const fn place_of(table: &[Option<Known>; PLACES], name: &str) -> usize {
    let mut place = first_place(hash(0, name.as_bytes()));
    while let Some(known) = &table[place] {
        if same(known.name.as_bytes(), name.as_bytes()) {
            break;
        }
        place = (place + 1) % PLACES;
    }
    place
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

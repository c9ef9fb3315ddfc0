//! Filters as a query says them.

use std::sync::Arc;

use super::{PartyFilter, RecordFilter, StatusFilter};
use crate::error::Error;

const KEYS: &str = "there are namespace, from, to, method, path, status";
const PARTY: &str = "write NAME, NAMESPACE/NAME or NAMESPACE/";
const STATUS: &str = "write a code such as 404, 5xx for a class, or 0 for no response";

impl RecordFilter {
    /// Reads keys and values, decoded: `namespace` (of either side), `from` and `to` (`NAME`, `NAMESPACE/NAME` or
    /// `NAMESPACE/`), `method` (in any case), `path` (how it begins), `status` (`404`, `5xx`; `0` for no response).
    ///
    /// # Errors
    ///
    /// [`Error::Filter`] for anything else.
    pub fn of_query<'q>(pairs: impl IntoIterator<Item = (&'q str, &'q str)>) -> Result<Self, Error> {
        let mut filter = Self::default();
        for (key, value) in pairs {
            let wrong = |hint| Error::Filter { key: key.into(), value: value.into(), hint };
            match key {
                "namespace" => filter.party.namespace = Some(value.into()),
                "from" => filter.source = party(value).ok_or_else(|| wrong(PARTY))?,
                "to" => filter.destination = party(value).ok_or_else(|| wrong(PARTY))?,
                "method" => filter.method = Some(value.to_ascii_uppercase().into()),
                "path" => filter.path_prefix = Some(value.into()),
                "status" => filter.status = Some(status(value).ok_or_else(|| wrong(STATUS))?),
                _ => return Err(wrong(KEYS)),
            }
        }
        Ok(filter)
    }
}

fn party(text: &str) -> Option<PartyFilter> {
    let given = |text: &str| Some(Arc::from(text)).filter(|_| !text.is_empty());
    let (namespace, workload) = text.split_once('/').unwrap_or(("", text));
    let filter = PartyFilter { namespace: given(namespace), workload: given(workload) };
    (filter != PartyFilter::default()).then_some(filter)
}

fn status(text: &str) -> Option<StatusFilter> {
    match text.as_bytes() {
        [class @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => Some(StatusFilter::Class(u16::from(class - b'0'))),
        _ => text.parse().ok().filter(|code| *code < 600).map(StatusFilter::Code),
    }
}

//! Each proxy by itself: what one process of a role costs.

use super::{Line, aligned, none};
use crate::{
    place::{OfOne, Place},
    rounds::Samples,
    row::Row,
    way::Way,
};

/// Whom figures of memory are of.
const NOTE: &str = "\
Two node proxies serve all ways of the mesh that name them, and keep what any of those has left. A sidecar, a waypoint, a
gateway and others' proxies serve their way alone.
";

/// A row for each proxy of `ways`; nothing where nothing was measured.
pub(super) fn table(samples: &Samples, ways: &[Way]) -> Option<String> {
    let row = |way: Way, place: Place| {
        let spreads = OfOne::ALL.map(|shown| Line::of(Row::At(place, shown), samples).spreads.get(&way).copied());
        spreads.iter().any(Option::is_some).then(|| {
            let cells = spreads.iter().map(|spread| spread.map_or_else(none, super::Spread::text));
            [format!("{}, {}", way.title(), way.proxy_at(place))].into_iter().chain(cells).collect::<Vec<_>>()
        })
    };
    let rows: Vec<_> =
        ways.iter().flat_map(|way| Place::ALL.into_iter().filter_map(|place| row(*way, place))).collect();
    if rows.is_empty() {
        return None;
    }
    let header = ["one process"].into_iter().chain(OfOne::ALL.map(OfOne::head)).map(str::to_owned).collect();
    let rows: Vec<Vec<String>> = [header].into_iter().chain(rows).collect();
    Some(aligned(&rows) + NOTE)
}

#[cfg(test)]
mod tests;

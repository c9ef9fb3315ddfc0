//! Which users a user namespace knows.

use std::fs;
use std::io;

/// A stretch of ids: so many from the first on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    inside: u64,
    count: u64,
}

/// The ids that the calling process's user namespace maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IdMap(Vec<Extent>);

impl IdMap {
    /// Of users.
    pub(super) fn users() -> io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string("/proc/self/uid_map")?))
    }

    /// Of groups.
    pub(super) fn groups() -> io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string("/proc/self/gid_map")?))
    }

    fn parse(text: &str) -> Self {
        let extents = text.lines().filter_map(|line| {
            let mut fields = line.split_whitespace().map(str::parse);
            let (inside, _outside, count) = (fields.next()?, fields.next()?, fields.next()?);
            Some(Extent { inside: inside.ok()?, count: count.ok()? })
        });
        Self(extents.collect())
    }

    /// Whether more than one id is mapped.
    pub(super) fn has_many(&self) -> bool {
        self.0.iter().map(|extent| extent.count).sum::<u64>() > 1
    }

    /// Whether an id is mapped.
    pub(super) fn holds(&self, id: u32) -> bool {
        let id = u64::from(id);
        self.0.iter().any(|extent| id.checked_sub(extent.inside).is_some_and(|offset| offset < extent.count))
    }

    /// The text that maps each of these ids to itself in a namespace below.
    pub(super) fn identity(&self) -> String {
        let lines: Vec<String> =
            self.0.iter().map(|extent| format!("{0} {0} {1}\n", extent.inside, extent.count)).collect();
        lines.concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_of_a_machine_has_all_ids() {
        let map = IdMap::parse("         0          0 4294967295\n");
        assert!(map.has_many() && map.holds(0) && map.holds(65534));
        assert_eq!(map.identity(), "0 0 4294967295\n");
    }

    #[test]
    fn an_ordinary_users_world_has_one() {
        let map = IdMap::parse("0 1000 1\n");
        assert!(!map.has_many() && map.holds(0) && !map.holds(1));
    }

    #[test]
    fn a_container_maps_in_pieces() {
        let map = IdMap::parse("0 1000 1\n1 100000 65536\n");
        assert!(map.has_many() && map.holds(65536) && !map.holds(65537));
        assert_eq!(map.identity(), "0 0 1\n1 1 65536\n");
    }
}

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::type_url;

fn change(name: u8, content: u8) -> ResourceChange {
    // Content 0 is a removal.
    let name = Arc::from(format!("r{name}"));
    if content == 0 {
        return ResourceChange::removed(type_url::NODE, name);
    }
    let body = Bytes::from(vec![content]);
    ResourceChange { type_url: type_url::NODE, name, version: content.to_string().into(), body: Some(body) }
}

#[test]
fn equal_content_shares_its_entry() {
    let first = ResourceSet::default().with(1, [change(1, 1)]);
    let second = first.with(2, [change(1, 1)]);
    assert!(Arc::ptr_eq(first.get(type_url::NODE, "r1").unwrap(), second.get(type_url::NODE, "r1").unwrap()));
    assert_eq!(second.version(), 2);
    assert_eq!(first.changes_to(&second), []);
}

proptest! {
    #[test]
    fn the_difference_leads_from_one_to_the_other(
        before in proptest::collection::vec((0..12_u8, 0..4_u8), 0..30),
        after in proptest::collection::vec((0..12_u8, 0..4_u8), 0..30),
    ) {
        let apply = |contents: &mut BTreeMap<u8, u8>, changes: &[(u8, u8)]| {
            for (name, content) in changes {
                if *content == 0 { contents.remove(name) } else { contents.insert(*name, *content) };
            }
        };
        let first = ResourceSet::default().with(1, before.iter().map(|(n, c)| change(*n, *c)));
        let second = first.with(2, after.iter().map(|(n, c)| change(*n, *c)));
        let mut expected = BTreeMap::new();
        apply(&mut expected, &before);
        apply(&mut expected, &after);
        prop_assert_eq!(second.count(type_url::NODE), expected.len());
        let replayed = first.with(2, first.changes_to(&second));
        prop_assert_eq!(replayed.changes_to(&second), []);
        prop_assert_eq!(second.changes_to(&replayed), []);
    }
}

use super::*;

/// A field that nobody looks at any more has no row that says what it does.
#[test]
fn every_field_acts_as_far_as_its_row_says_so() {
    let idle = idle();
    assert!(
        idle.is_empty(),
        "no object of xtask/src/fields/acts/objects.jsonl shows that these do anything:\n{}",
        idle.join("\n")
    );
}

#[test]
fn fields_are_found_at_the_end_of_their_path() {
    let mut value = json!({"a": [{"b": {"x": {"c": 1, "e": ["f"]}, "y": {"c": 2, "d": [3]}}}, {"b": {}}]});
    assert!(at(&mut value, "a[].b.{}.c", remove) && !at(&mut value, "a[].b.{}.c", remove));
    assert!(at(&mut value, "a[].b.{}.d", alter) && at(&mut value, "a[].b.{}.e", alter));
    assert_eq!(value, json!({"a": [{"b": {"x": {"e": ["fb"]}, "y": {"d": [3, 3]}}}, {"b": {}}]}));
}

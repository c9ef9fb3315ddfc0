use super::*;

/// Groups of 100 ready endpoints, of which so many are usable.
fn of_hundred(usable: &[u32]) -> Vec<Health> {
    usable.iter().map(|usable| Health { total: 100, ready: 100, usable: *usable }).collect()
}

/// How many rolls lead to each group, and how many of those in panic; avoiding some groups.
fn loads(groups: &[Health], panic_percent: u32, avoided: &[usize]) -> (Vec<u32>, Vec<u32>) {
    let mut loads = vec![0; groups.len()];
    let mut panics = vec![0; groups.len()];
    for roll in 0..100 {
        let chosen = choose(groups.len(), |group| groups[group], panic_percent, roll, |at| avoided.contains(&at));
        let Some(choice) = chosen else { continue };
        loads[choice.group] += 1;
        panics[choice.group] += u32::from(choice.panic);
    }
    (loads, panics)
}

#[track_caller]
fn assert_loads(usable: &[u32], expected: &[u32]) {
    assert_eq!(loads(&of_hundred(usable), 0, &[]), (expected.to_vec(), vec![0; usable.len()]));
}

/// The table of Envoy's documentation of priority levels.
#[test]
fn a_group_spills_over_below_100_by_1_4_per_cent() {
    assert_loads(&[100, 100], &[100, 0]);
    assert_loads(&[72, 72], &[100, 0]);
    assert_loads(&[71, 71], &[99, 1]);
    assert_loads(&[50, 50], &[70, 30]);
    assert_loads(&[25, 100], &[35, 65]);
    assert_loads(&[0, 100], &[0, 100]);
    assert_loads(&[25, 25, 100], &[35, 35, 30]);
    assert_loads(&[100, 0, 0], &[100, 0, 0]);
}

#[test]
fn what_all_together_can_take_is_scaled_up() {
    assert_loads(&[25, 25], &[50, 50]);
    assert_loads(&[5, 65], &[8, 92]);
    // Rounding goes to the first that has any.
    assert_loads(&[10, 10, 10], &[34, 33, 33]);
    assert_loads(&[0, 10, 10], &[0, 50, 50]);
}

#[test]
fn nothing_is_chosen_if_nothing_is_usable() {
    assert_loads(&[0, 0], &[0, 0]);
    assert_eq!(choose(0, |_| unreachable!(), 50, 0, |_| false), None);
    // Less than a hundredth is still something.
    let groups = [0, 1].map(|usable| Health { total: 1000, ready: 1000, usable });
    assert_eq!(loads(&groups, 0, &[]), (vec![0, 100], vec![0, 0]));
}

#[test]
fn there_is_no_panic_while_together_they_can_take_everything() {
    assert_eq!(loads(&of_hundred(&[10, 100]), 50, &[]), (vec![14, 86], vec![0, 0]));
    assert_eq!(loads(&of_hundred(&[100]), 100, &[]), (vec![100], vec![0]));
}

#[test]
fn a_group_below_the_threshold_panics_if_they_can_not() {
    assert_eq!(loads(&of_hundred(&[20, 50]), 30, &[]), (vec![29, 71], vec![29, 0]));
    assert_eq!(loads(&of_hundred(&[30]), 30, &[]), (vec![100], vec![0]));
    assert_eq!(loads(&of_hundred(&[29]), 30, &[]), (vec![100], vec![100]));
}

#[test]
fn if_all_panic_each_gets_its_part_by_number() {
    let groups = [
        Health { total: 10, ready: 10, usable: 0 },
        Health { total: 30, ready: 30, usable: 3 },
        Health { total: 40, ready: 0, usable: 0 },
    ];
    assert_eq!(loads(&groups, 50, &[]), (vec![25, 75, 0], vec![25, 75, 0]));
    let unready = [Health { total: 10, ready: 0, usable: 0 }];
    assert_eq!(loads(&unready, 50, &[]), (vec![0], vec![0]));
}

#[test]
fn avoided_groups_get_nothing_unless_no_other_can_take_anything() {
    assert_eq!(loads(&of_hundred(&[100, 100]), 0, &[0]).0, [0, 100]);
    assert_eq!(loads(&of_hundred(&[100, 50, 50]), 0, &[0]).0, [0, 70, 30]);
    assert_eq!(loads(&of_hundred(&[100, 0]), 0, &[0]).0, [100, 0]);
    assert_eq!(loads(&of_hundred(&[50, 50]), 0, &[0, 1]).0, [70, 30]);
}

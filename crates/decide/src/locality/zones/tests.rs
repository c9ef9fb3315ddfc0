use super::*;

/// Per cent of the calls of a client in `eu/a`, and rank, of each endpoint; those behind `!` are not ready.
fn spread_over(callers: &[&str], endpoints: &[&'static str], least: u64) -> Vec<(u64, u32)> {
    let none = Labels::new();
    let at = |locality| Located { locality, network: "", labels: &none };
    let callers: Vec<Located<'_>> = callers.iter().map(|place| at(place)).collect();
    let candidate = |place: &&'static str| match place.strip_prefix('!') {
        Some(place) => Candidate { at: at(place), weight: 1, health: Health::Unhealthy },
        None => Candidate { at: at(place), weight: 1, health: Health::Healthy },
    };
    let candidates: Vec<Candidate<'_>> = endpoints.iter().map(candidate).collect();
    let mut found: Vec<Preference> = candidates.iter().map(Candidate::unranked).collect();
    spread(&at("eu/a"), &callers, &candidates, least, &mut found);
    let ready = found.iter().zip(&candidates).filter(|(_, candidate)| candidate.health == Health::Healthy);
    let total: u64 = ready.filter(|(found, _)| found.priority == 0).map(|(found, _)| found.weight).sum();
    let share = |found: &Preference, candidate: &Candidate<'_>| match (found.priority, candidate.health) {
        (0, Health::Healthy) => (found.weight * 100 + total / 2) / total,
        _ => 0,
    };
    found.iter().zip(&candidates).map(|(found, candidate)| (share(found, candidate), found.priority)).collect()
}

#[test]
fn zones_get_what_they_can_carry() {
    for (title, callers, endpoints, least, expected) in [
        (
            "a zone with its share of endpoints keeps its calls",
            &["eu/a", "eu/b"][..],
            &["eu/a", "eu/b"][..],
            2,
            &[(100, 0), (0, 1)][..],
        ),
        (
            "one with less than its share sends the rest to those that have more",
            &["eu/a", "eu/a", "eu/a", "eu/b"],
            &["eu/a", "eu/b", "eu/b", "eu/b"],
            4,
            &[(33, 0), (22, 0), (22, 0), (22, 0)],
        ),
        (
            "by how much they have more",
            &["eu/a", "eu/a", "eu/b", "eu/c"],
            &["eu/a", "eu/b", "eu/b", "eu/b", "eu/b", "eu/c", "eu/c", "eu/c"],
            6,
            // 12.5 % of 50 %: a quarter stays; b has 25 % more than it needs, c 12.5 %.
            &[(25, 0), (13, 0), (13, 0), (13, 0), (13, 0), (8, 0), (8, 0), (8, 0)],
        ),
        ("too few are alike", &["eu/a", "eu/b"], &["eu/a", "eu/b"], 3, &[(50, 0), (50, 0)]),
        ("nobody at home", &["eu/a"], &["eu/b", "eu/c"], 1, &[(50, 0), (50, 0)]),
        ("one zone", &["eu/a"], &["eu/a", "eu/a"], 1, &[(50, 0), (50, 0)]),
        ("a caller is where it is, whoever else calls", &[], &["eu/a", "eu/b"], 1, &[(50, 0), (50, 0)]),
    ] {
        assert_eq!(spread_over(callers, endpoints, least), expected, "{title}");
    }
}

/// What can't be called carries nothing, but for how many there are.
#[test]
fn endpoints_that_are_not_ready_carry_nothing() {
    let callers = ["eu/a", "eu/b"];
    for (title, endpoints, least, expected) in [
        ("each zone has its half", &["eu/a", "eu/a", "eu/b", "eu/b"][..], 4, &[(50, 0), (50, 0), (0, 1), (0, 1)][..]),
        // A third of those that are ready, of half of the callers: two of three calls stay.
        ("a third", &["eu/a", "!eu/a", "eu/b", "eu/b"], 4, &[(67, 0), (0, 0), (17, 0), (17, 0)]),
        ("more than it needs", &["eu/a", "eu/a", "eu/b", "!eu/b"], 4, &[(50, 0), (50, 0), (0, 1), (0, 1)]),
        ("one of two for one of two", &["eu/a", "!eu/a", "eu/b", "!eu/b"], 4, &[(100, 0), (0, 0), (0, 1), (0, 1)]),
        ("nobody at home: all are alike", &["!eu/a", "eu/b", "eu/b", "eu/b"], 4, &[(0, 0), (33, 0), (33, 0), (33, 0)]),
        ("nobody anywhere", &["!eu/a", "!eu/b"], 1, &[(0, 0), (0, 0)]),
    ] {
        assert_eq!(spread_over(&callers, endpoints, least), expected, "{title}");
    }
}

use super::*;

fn plan(ways: &[Way], pieces: &[Piece]) -> Plan {
    Plan {
        ways: ways.to_vec(),
        pieces: pieces.to_vec(),
        rounds: ROUNDS,
        measured: Duration::from_secs_f64(SECONDS),
        roles_are_brief: true,
    }
}

#[test]
fn all_of_it_ends_within_twenty_minutes() {
    let whole = plan(&Way::ALL, &Piece::ALL);
    assert!(whole.duration() < Duration::from_secs(20 * 60), "{}", whole.text());
}

#[test]
fn each_way_takes_a_turn_at_what_it_does() {
    assert_eq!(plan(&[Way::Direct, Way::Mesh], &[Piece::Requests, Piece::Paced]).turns(), 8);
    assert_eq!(plan(&[Way::Direct, Way::MeshL7], &[Piece::Bulk]).turns(), 2);
}

#[test]
fn roles_do_all_that_they_can_where_they_are_picked() {
    let all: Vec<Piece> = Piece::ALL.into_iter().filter(|piece| !piece.tasks().is_empty()).collect();
    for way in Way::ALL.into_iter().filter(|way| way.is_role()) {
        let brief = plan(&[way], &all);
        assert_eq!(brief.turns(), 4, "{way}");
        assert_eq!(Plan { roles_are_brief: false, ..brief }.turns(), 9, "{way}");
    }
}

#[test]
fn the_time_is_told() {
    let plan = Plan { rounds: 2, measured: Duration::from_secs(1), ..plan(&[Way::Direct], &[Piece::Requests]) };
    assert_eq!(plan.text(), "2 rounds of 1 turns of 1 s: some 0 min 13 s, until all is measured");
}

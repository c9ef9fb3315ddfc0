use super::*;

#[test]
fn names_are_those_of_the_command_line() {
    for piece in Piece::ALL {
        assert_eq!(Piece::from_str(piece.name(), false), Ok(piece));
    }
    assert_eq!(Piece::value_variants(), Piece::ALL);
}

#[test]
fn each_rate_is_a_task() {
    let rates: Vec<Work> = Piece::Paced.tasks().into_iter().map(Task::work).collect();
    let paced = |connections, rate| Work::Paced { connections, rate };
    assert_eq!(rates, [paced(16, 1_000), paced(16, 3_200), paced(64, 10_000)]);
}

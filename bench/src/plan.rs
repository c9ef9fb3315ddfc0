//! What is measured, how long and how often, and how long all of it will take.

use std::time::Duration;

use crate::{
    task::{Piece, Task},
    way::Way,
};

/// How often without being asked. The order of ways turns with each round: an even number is fair.
pub const ROUNDS: u32 = 4;
/// How long each turn is measured without being asked, in seconds.
pub const SECONDS: f64 = 2.4;

/// How long processes get to come to rest before their idle memory is looked at.
pub const SETTLED: Duration = Duration::from_secs(5);
/// What the world takes to start and to end, about.
const WORLD: Duration = Duration::from_secs(5);
/// What one more way takes to start, about.
const START: Duration = Duration::from_millis(700);
/// What a turn takes beside its measured time, about: connections, warm-up, the last answers.
const AROUND: Duration = Duration::from_millis(400);

/// What the mesh itself takes, about: as many workloads as there may be to come up and to go, and the others.
const CROWDED: Duration = Duration::from_secs(40);
const TOWN: Duration = Duration::from_secs(4);

/// What, how long and how often.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The ways that are compared, in the order of the report.
    pub ways: Vec<Way>,
    /// What is measured, in this order.
    pub pieces: Vec<Piece>,
    /// Number of rounds.
    pub rounds: u32,
    /// Measured time of each turn.
    pub measured: Duration,
    /// Whether ways of roles do no more than what tells of roles: with all that they can the whole would take too long.
    pub roles_are_brief: bool,
}

// === impl Plan ===

impl Plan {
    /// What each round consists of.
    pub fn tasks(&self) -> Vec<Task> {
        self.pieces.iter().flat_map(|piece| piece.tasks()).collect()
    }

    /// Whether that way takes a turn at it.
    pub fn has(&self, task: Task, way: Way) -> bool {
        task.is_for(way) && (!self.roles_are_brief || !way.is_role() || task.tells_of_roles())
    }

    /// Turns of a round.
    pub fn turns(&self) -> u32 {
        let turns = |task: Task| self.ways.iter().filter(|way| self.has(task, **way)).count();
        self.tasks().into_iter().map(turns).sum::<usize>().try_into().unwrap_or(u32::MAX)
    }

    /// How long it will take, about.
    pub fn duration(&self) -> Duration {
        let ways = u32::try_from(self.ways.len()).unwrap_or(u32::MAX);
        let itself = |piece: &Piece| match piece {
            Piece::Workloads => CROWDED,
            Piece::StartUp | Piece::Propagation => TOWN,
            _ => Duration::ZERO,
        };
        let itself: Duration = self.pieces.iter().map(itself).sum();
        if self.turns() == 0 {
            return itself;
        }
        WORLD + START * ways + SETTLED + (self.measured + AROUND) * self.turns() * self.rounds + itself
    }

    /// For whoever waits.
    pub fn text(&self) -> String {
        let (rounds, turns, seconds) = (self.rounds, self.turns(), self.measured.as_secs_f64());
        let whole = self.duration().as_secs();
        let whole = format!("some {} min {} s, until all is measured", whole / 60, whole % 60);
        if turns == 0 { whole } else { format!("{rounds} rounds of {turns} turns of {seconds} s: {whole}") }
    }
}

#[cfg(test)]
mod tests;

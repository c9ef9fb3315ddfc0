use tokio::time::timeout;

use super::*;
use crate::{board::Entry, logs::Log};

/// Never may start.
struct Waits(mpsc::UnboundedSender<()>);

impl Launch for Waits {
    async fn prepare(&mut self) {
        self.0.send(()).unwrap();
        std::future::pending::<()>().await;
    }

    async fn launch(&mut self) -> Result<Child> {
        unreachable!("it was never prepared")
    }
}

const PATIENCE: Duration = Duration::from_secs(10);

async fn until(board: &Board, key: &Key, phase: Phase) {
    let mut changes = board.subscribe();
    let seen = async {
        while board.get(key).unwrap().phase != phase {
            changes.changed().await.unwrap();
        }
    };
    timeout(PATIENCE, seen).await.unwrap();
}

#[tokio::test]
async fn one_that_waits_for_its_start_obeys() {
    let (board, key) = (Board::new(), Key::workload("shop", "web-0"));
    board.insert(key.clone(), Entry::new(None, Log::new("/nowhere".into()), None));
    let policy = watch::Sender::new(RestartPolicy::Always);
    let config = UnitConfig {
        key: key.clone(),
        policy: policy.subscribe(),
        backoff: Backoff::workload(),
        initially: Initially::Running,
        grace: Duration::from_secs(1),
    };
    let (tried, mut tries) = mpsc::unbounded_channel();
    let controls = start(config, board.clone(), Waits(tried));
    timeout(PATIENCE, tries.recv()).await.unwrap().unwrap();
    assert!(controls.order(Command::Stop));
    until(&board, &key, Phase::Stopped).await;
    assert!(controls.order(Command::Start));
    until(&board, &key, Phase::Pending).await;
    timeout(PATIENCE, tries.recv()).await.unwrap().unwrap();
    // Whoever ends it does not wait for what may never come.
    timeout(PATIENCE, controls.end(Duration::from_secs(1))).await.unwrap();
    assert_eq!(board.get(&key).unwrap().restarts, 0, "that it waits is no failure");
}

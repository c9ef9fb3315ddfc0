//! One-time tokens for the parts of the mesh that have no valid certificate.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use ripstop_identity::{Roots, SvidStore};
use tokio::{sync::watch, task::JoinSet};

use crate::{
    Result,
    board::Key,
    context::World,
    control_client,
    state::{make_private_dir, write_atomic},
};

/// A part of the mesh that joins the control plane.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// `agent`, `node`, `supervisor`, `gateway`, `waypoint` or `sidecar`.
    pub(crate) role: &'static str,
    pub(crate) name: Arc<str>,
    /// Its own state directory.
    pub(crate) state: PathBuf,
    /// Where it looks for its token.
    pub(crate) token_file: PathBuf,
    /// The control plane's root certificate.
    pub(crate) root_cert: PathBuf,
}

/// Name of the control plane among the roles.
pub(crate) const CONTROL_ROLE: &str = "control";
/// Pause between two tries while the control plane runs but gives no token.
const RETRY: Duration = Duration::from_millis(100);
/// Tokens are good for an hour: an unused one is replaced before that.
const FRESH: Duration = Duration::from_mins(50);

// === impl Part ===

impl Part {
    /// Whether it cannot connect by itself: no certificate that the present root vouches for, and
    /// no fresh token.
    fn needs_token(&self) -> bool {
        !self.has_certificate() && !self.has_token()
    }

    fn has_certificate(&self) -> bool {
        let Ok(store) = SvidStore::open(self.state.join("credentials")) else { return false };
        let published = fs::read_to_string(&self.root_cert).ok().and_then(|text| Roots::from_pem(&text).ok());
        let Some(roots) = published.or_else(|| store.load_roots()) else { return false };
        let own = |id: &ripstop_model::SpiffeId| id.as_component() == Some((self.role, &*self.name));
        let now = SystemTime::now();
        store.load_all().iter().any(|svid| own(&svid.id) && svid.check(&roots, now).is_ok())
    }

    fn has_token(&self) -> bool {
        let Ok(metadata) = self.token_file.metadata() else { return false };
        let age = metadata.modified().ok().and_then(|time| SystemTime::now().duration_since(time).ok());
        metadata.len() > 0 && age.is_some_and(|age| age < FRESH)
    }
}

/// Gives a part a token whenever it needs one and the control plane runs: at each start of the
/// control plane, and when it is asked to look. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct TokenKeeper {
    part: Part,
    ask: watch::Sender<u64>,
    answered: watch::Receiver<u64>,
    _task: JoinSet<()>,
}

// === impl TokenKeeper ===

impl TokenKeeper {
    pub(crate) fn start(world: World, part: Part) -> Self {
        let (ask, asked) = watch::channel(0);
        let (answer, answered) = watch::channel(0);
        let mut task = JoinSet::new();
        task.spawn(keep(world, part.clone(), asked, answer));
        Self { part, ask, answered, _task: task }
    }

    /// Looks now; resolves when the part has what it needs, which it mostly has already.
    pub(crate) async fn look(&mut self) {
        if !self.part.needs_token() {
            return;
        }
        let mut number = 0;
        self.ask.send_modify(|asked| {
            *asked += 1;
            number = *asked;
        });
        let _keeper_is_gone = self.answered.wait_for(|answered| *answered >= number).await;
    }
}

async fn keep(world: World, part: Part, mut asked: watch::Receiver<u64>, answer: watch::Sender<u64>) {
    let mut board = world.board.subscribe();
    let mut served = None;
    loop {
        board.mark_unchanged();
        let control = world.board.get(&Key::role(CONTROL_ROLE)).and_then(|entry| entry.phase.pid());
        let wish = (control, *asked.borrow_and_update());
        if control.is_some() && served != Some(wish) {
            match provide(&world, &part).await {
                Ok(()) => {
                    served = Some(wish);
                    answer.send_replace(wish.1);
                }
                Err(error) => {
                    tracing::debug!(role = part.role, name = %part.name, %error, "no token yet");
                    tokio::time::sleep(RETRY).await;
                }
            }
            continue;
        }
        let changed = tokio::select! {
            changed = board.changed() => changed,
            changed = asked.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Gives a part a token if it needs one.
async fn provide(world: &World, part: &Part) -> Result<()> {
    make_private_dir(&part.state)?;
    if part.needs_token() {
        let token = control_client::token(&world.paths.control_socket(), part.role, &part.name).await?;
        write_atomic(&part.token_file, token.as_bytes())?;
        tracing::info!(role = part.role, name = %part.name, "was given a token to join with");
    }
    Ok(())
}

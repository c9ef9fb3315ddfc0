//! Declared processes and their instances: one task a process follows what is wanted of it.

use std::{collections::BTreeMap, sync::Arc};

use ripstop_model::ProcessSpec;
use tokio::{sync::watch, task::JoinSet};

use crate::{
    board::Entry,
    context::World,
    instance::{Birth, GRACE, Instance, Live, Template},
    plan::{Existing, Step, next_step},
    unit::Initially,
};

/// Processes by `<namespace>/<name>`, as they are wanted.
pub(crate) type Wanted = BTreeMap<Arc<str>, Arc<ProcessSpec>>;

/// The tasks of all processes.
#[derive(Debug, Default)]
pub(crate) struct Processes {
    tasks: BTreeMap<Arc<str>, watch::Sender<Option<Arc<ProcessSpec>>>>,
    running: JoinSet<()>,
}

/// One process and its instances, by ordinal.
struct Process {
    world: World,
    members: BTreeMap<u32, Instance>,
}

// === impl Processes ===

impl Processes {
    /// Tells each process what is wanted of it now.
    pub(crate) fn apply(&mut self, world: &World, wanted: &Wanted) {
        for (name, spec) in wanted {
            // The task of a process that went stays, so that its old and new instances never meet.
            let task = self.tasks.entry(name.clone()).or_insert_with(|| {
                let (task, orders) = watch::channel(None);
                self.running.spawn(Process { world: world.clone(), members: BTreeMap::new() }.run(orders));
                task
            });
            task.send_if_modified(|order| {
                let changed = order.as_ref() != Some(spec);
                *order = Some(spec.clone());
                changed
            });
        }
        for (_, task) in self.tasks.iter().filter(|(name, _)| !wanted.contains_key(*name)) {
            task.send_if_modified(|order| order.take().is_some());
        }
    }

    /// Ends all instances.
    pub(crate) async fn end(mut self) {
        self.tasks.clear();
        while self.running.join_next().await.is_some() {}
    }
}

// === impl Process ===

impl Process {
    /// Follows the orders; when nobody gives any more, ends all instances.
    async fn run(mut self, mut orders: watch::Receiver<Option<Arc<ProcessSpec>>>) {
        let mut board = self.world.board.subscribe();
        loop {
            let spec = orders.borrow_and_update().clone();
            let Some(spec) = spec else {
                self.end().await;
                if orders.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let template = Arc::new(Template::of(&spec, &self.world.dir));
            let live = Live::of(&spec);
            for member in self.members.values() {
                member.update(&self.world.board, live.clone());
            }
            board.mark_unchanged();
            let told = match next_step(spec.replicas, &self.existing(&template)) {
                Step::Create(ordinal) => {
                    self.create(&spec, &template, ordinal, Initially::Running);
                    Ok(())
                }
                Step::Remove(ordinal) => {
                    self.remove(ordinal).await;
                    Ok(())
                }
                Step::ReplaceStopped(ordinal) => {
                    self.remove(ordinal).await;
                    self.create(&spec, &template, ordinal, Initially::Stopped);
                    Ok(())
                }
                Step::Await => tokio::select! {
                    changed = orders.changed() => changed,
                    _ = board.changed() => Ok(()),
                },
                Step::Done => orders.changed().await,
            };
            if told.is_err() {
                return self.end().await;
            }
        }
    }

    async fn end(&mut self) {
        let members = std::mem::take(&mut self.members);
        futures_util::future::join_all(members.into_values().map(|member| member.end(GRACE))).await;
    }

    fn existing(&self, template: &Arc<Template>) -> Vec<Existing> {
        let see = |(ordinal, member): (&u32, &Instance)| {
            let entry = self.world.board.get(&member.key);
            Existing {
                ordinal: *ordinal,
                current: *member.template == **template,
                ready: entry.as_ref().is_some_and(|entry| entry.ready),
                stopped: entry.as_ref().is_some_and(Entry::stopped),
            }
        };
        self.members.iter().map(see).collect()
    }

    fn create(&mut self, spec: &ProcessSpec, template: &Arc<Template>, ordinal: u32, initially: Initially) {
        let birth = Birth {
            namespace: spec.namespace.clone(),
            instance: format!("{}-{ordinal}", spec.name).into(),
            process: spec.name.clone(),
            template: template.clone(),
            live: Live::of(spec),
            initially,
        };
        self.members.insert(ordinal, Instance::start(&self.world, birth));
    }

    async fn remove(&mut self, ordinal: u32) {
        if let Some(member) = self.members.remove(&ordinal) {
            member.end(GRACE).await;
        }
    }
}

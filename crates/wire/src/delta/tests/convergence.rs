//! Anything may happen on the way.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Step {
    Change { name: u8, content: u8 },
    Talk(u8),
    Break,
    Poison(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..6_u8, 0..4_u8).prop_map(|(name, content)| Step::Change { name, content }),
        4 => (0..8_u8).prop_map(Step::Talk),
        1 => Just(Step::Break),
        1 => any::<bool>().prop_map(Step::Poison),
    ]
}

proptest! {
    /// Whatever happens on the way, in the end the client has what the server has; and at each moment
    /// what is in force is exactly one version that the server had.
    #[test]
    fn both_ends_converge(steps in proptest::collection::vec(step(), 0..80)) {
        let mut world = World::new();
        let mut target = set(1, []);
        let mut history = BTreeMap::from([(0, set(0, [])), (1, target.clone())]);
        world.server.set_target(&target);
        for step in steps {
            match step {
                Step::Change { name, content } => {
                    let url = TYPES[usize::from(name) % 3];
                    let name = format!("r{name}");
                    let change = if content == 0 { gone(url, &name) } else { put(url, &name, &content.to_string()) };
                    target = target.with(target.version() + 1, [change]);
                    history.insert(target.version(), target.clone());
                    world.server.set_target(&target);
                }
                Step::Talk(messages) => {
                    for n in 0..messages {
                        if n % 2 == 0 {
                            if let Some(request) = world.to_server.pop_front() {
                                world.server.receive(request).unwrap();
                            }
                        } else if let Some(response) = world.server.poll() {
                            world.deliver(response);
                        }
                    }
                }
                Step::Break => {
                    world.reconnect();
                    world.server.set_target(&target);
                }
                Step::Poison(on) => world.poison = on.then_some("3"),
            }
            let in_force = &history[&world.client.version()];
            for url in TYPES {
                let applied = world.applied.keys().filter(|(applied, _)| applied == url).count();
                prop_assert_eq!(applied, in_force.count(url));
                for (name, entry) in in_force.resources(url) {
                    prop_assert_eq!(world.applied.get(&(*url, name.to_string())), Some(&entry.body));
                }
            }
        }
        world.poison = None;
        target = target.with(target.version() + 1, []);
        world.server.set_target(&target);
        world.run();
        prop_assert_eq!(world.mismatches, 0);
        world.assert_has(&target);
    }
}

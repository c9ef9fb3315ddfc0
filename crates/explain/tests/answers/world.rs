//! Worlds that stand on `ground.yaml`.

use std::sync::Arc;

use ripstop_api::parse_file;
use ripstop_compile::{Declared, Objects};
use ripstop_explain::{Explanation, Question, World, explain, offline};

const GROUND: &str = include_str!("ground.yaml");

/// The mesh of the ground and of `yaml`, which is `group.yaml`.
pub(crate) fn world(yaml: &str) -> World {
    let mut objects = Objects::new();
    for (index, (file, text)) in [("ground.yaml", GROUND), ("group.yaml", yaml)].into_iter().enumerate() {
        let parsed = parse_file(file, text);
        assert!(parsed.broken.is_empty() && !parsed.unreadable, "{:#?}\n{text}", parsed.findings);
        for (age, object) in parsed.objects.into_iter().enumerate() {
            let created = (index * 100_000 + age) as u64 + 1;
            objects.insert(object.id.clone(), Declared { object: Arc::new(object), created, generation: 1 });
        }
    }
    offline::world(&objects).0
}

/// What is said about a call from `web` to `reviews`, as `change` makes it.
pub(crate) fn asked(world: &World, change: impl FnOnce(&mut Question)) -> Explanation {
    let mut question = Question { from: "shop/web".into(), to: "reviews.shop:80".into(), ..Question::default() };
    change(&mut question);
    explain(world, &question).unwrap_or_else(|error| panic!("{question:?}: {error}"))
}

/// The notes.
pub(crate) fn notes(explanation: &Explanation) -> String {
    explanation.notes.join("; ")
}

use super::*;

#[test]
fn whose_proxy_a_process_is() {
    let board = Board::new();
    let runs = |key: Key, node: &str, pid| {
        let log = Log::new("/nowhere/log".into());
        board.insert(key.clone(), Entry::new(Some(node.into()), log, None));
        board.phase(&key, Phase::Running { pid }, 0);
    };
    runs(Key::role("agent-east"), "east", 10);
    runs(Key::role("node-east"), "east", 11);
    runs(Key::role("sidecar-shop.web-0"), "east", 12);
    // A gateway that is called so, and a workload.
    runs(Key::workload("sidecar-shop", "web-1"), "east", 13);
    runs(Key::workload("shop", "web-0"), "east", 14);
    let serves = |node: &str| [10, 11, 12, 13, 14, 99].map(|pid| board.proxy(node, pid));
    let none = || None::<String>;
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(serves("east"), [none(), some("node"), some("shop/web-0"), none(), none(), none()]);
    assert!(serves("west").iter().all(Option::is_none), "each agent hears of its own node");
    board.phase(&Key::role("sidecar-shop.web-0"), Phase::Backoff { exit: None }, 1);
    assert_eq!(board.proxy("east", 12), None, "its number is another's now");
}

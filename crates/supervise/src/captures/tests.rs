use super::*;

fn word(uid: &str, netns: Option<u64>) -> Word {
    Word { uid: uid.into(), netns }
}

#[test]
fn a_word_counts_for_its_namespace_and_as_long_as_the_agent_is_there() {
    let captures = Captures::default();
    let first = captures.line();
    first.hear(word("a", Some(7)));
    first.hear(word("b", Some(8)));
    assert!(captures.serves("a", 7) && captures.serves("b", 8));
    assert!(!captures.serves("a", 8), "it had that name in another life");
    first.hear(word("b", None));
    assert!(!captures.serves("b", 8));

    // Its successor says it anew, perhaps before the first one is known to be gone.
    let second = captures.line();
    second.hear(word("a", Some(9)));
    first.hear(word("a", None));
    assert!(captures.serves("a", 9));
    drop(first);
    assert!(captures.serves("a", 9));
    drop(second);
    assert!(!captures.serves("a", 9), "nobody vouches for it");
}

#[tokio::test]
async fn whoever_waits_hears_of_it() {
    let captures = Captures::default();
    let line = captures.line();
    let waiting = tokio::spawn({
        let captures = captures.clone();
        async move { captures.served("a", 7).await }
    });
    line.hear(word("a", Some(6)));
    line.hear(word("a", Some(7)));
    tokio::time::timeout(std::time::Duration::from_secs(10), waiting).await.unwrap().unwrap();
}

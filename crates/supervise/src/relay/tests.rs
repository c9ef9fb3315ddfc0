use tokio::sync::watch;

use super::*;
use crate::{broker::Broker, egress::EgressRules};

#[tokio::test]
async fn answers_go_to_the_agent_that_asked_with_its_own_id() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (inner, outer) = FdChannel::pair().unwrap();
    let allow = EgressRules { allow: vec!["127.0.0.1/32".parse().unwrap()], ..Default::default() };
    let (_rules, rules) = watch::channel(allow);
    let broker = tokio::spawn(Broker::new(outer, rules).run());
    let relay = Relay::new(inner);
    let answers = tokio::spawn(relay.clone().run());

    let mut agents = Vec::new();
    for _ in 0..3 {
        let (agent, ours) = FdChannel::pair().unwrap();
        agents
            .push((agent, tokio::spawn(relay.clone().serve(ours, |pid| (pid == 77).then(|| "shop/web-0".to_owned())))));
    }
    for (agent, _) in &agents {
        let text = format!(r#"{{"id":7,"connect":{{"addr":"{address}"}}}}"#);
        agent.send(text.as_bytes(), &[]).await.unwrap();
        agent.send(br#"{"id":8,"connect":{"addr":"169.254.169.254:80"}}"#, &[]).await.unwrap();
        agent.send(br#"{"id":9,"process":77}"#, &[]).await.unwrap();
        agent.send(br#"{"id":10,"process":78}"#, &[]).await.unwrap();
    }
    for (agent, _) in &agents {
        let mut seen = Vec::new();
        for _ in 0..4 {
            let (reply, fds) = handover::receive::<BrokerReply>(agent).await.unwrap().unwrap();
            seen.push((reply.id, reply.ok, fds.len(), reply.serves));
        }
        seen.sort_unstable();
        assert_eq!(
            seen,
            [
                (7, true, 1, None),
                (8, false, 0, None),
                (9, true, 0, Some("shop/web-0".to_owned())),
                (10, false, 0, None),
            ]
        );
    }
    for (agent, serving) in agents {
        drop(agent);
        serving.await.unwrap();
    }
    answers.abort();
    let _ = answers.await;
    drop(relay);
    broker.await.unwrap();
}

#[tokio::test]
async fn what_an_agent_says_of_captured_workloads_counts_until_it_is_gone() {
    let (inner, _outer) = FdChannel::pair().unwrap();
    let (agent, ours) = FdChannel::pair().unwrap();
    let relay = Relay::new(inner);
    let captures = relay.captures().clone();
    let serving = tokio::spawn(relay.serve(ours, |_| None));
    agent.send(br#"{"served":{"uid":"a","netns":7}}"#, &[]).await.unwrap();
    let known = captures.served("a", 7);
    tokio::time::timeout(Duration::from_secs(10), known).await.unwrap();
    drop(agent);
    serving.await.unwrap();
    assert!(!captures.serves("a", 7));
}

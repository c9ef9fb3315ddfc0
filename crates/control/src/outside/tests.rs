use std::os::fd::AsFd as _;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

/// What it is asked next.
async fn heard(broker: &FdChannel) -> Value {
    serde_json::from_slice(&broker.recv().await.unwrap().unwrap().data).unwrap()
}

#[tokio::test]
async fn the_broker_is_asked_by_name() {
    let (ours, theirs) = ripstop_net::scm::seqpacket_pair().unwrap();
    let outside = Outside::by(Some(ours)).unwrap();
    let broker = FdChannel::new(theirs).unwrap();
    let place = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let answering = async {
        let asked = heard(&broker).await;
        assert_eq!(asked["named"], json!({"host": "a.example", "port": 443, "asker": "control plane"}));
        let stale = json!({"id": 77, "error": "nobody waits for that"});
        broker.send(stale.to_string().as_bytes(), &[]).await.unwrap();
        let socket = TcpStream::connect(place.local_addr().unwrap()).await.unwrap().into_std().unwrap();
        let granted = json!({"id": asked["id"], "ok": true});
        broker.send(granted.to_string().as_bytes(), &[socket.as_fd()]).await.unwrap();
        let again = heard(&broker).await;
        let refused = json!({"id": again["id"], "ok": false, "error": "it may not be reached"});
        broker.send(refused.to_string().as_bytes(), &[]).await.unwrap();
    };
    let asking = async {
        let stream = outside.connect("a.example", 443).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), place.local_addr().unwrap());
        let refused = outside.connect("a.example", 443).await.unwrap_err();
        assert_eq!(refused.to_string(), "it may not be reached");
    };
    tokio::join!(answering, asking);
    drop(broker);
    assert!(outside.connect("a.example", 443).await.is_err());
}

/// None of them waits for another, and nobody for a broker that is gone.
#[tokio::test]
async fn each_question_has_its_answer() {
    let (ours, theirs) = ripstop_net::scm::seqpacket_pair().unwrap();
    let outside = Outside::by(Some(ours)).unwrap();
    let broker = FdChannel::new(theirs).unwrap();
    let answering = async {
        let (first, second) = (heard(&broker).await, heard(&broker).await);
        for asked in [second, first] {
            let refused = json!({"id": asked["id"], "error": asked["named"]["host"]});
            broker.send(refused.to_string().as_bytes(), &[]).await.unwrap();
        }
        heard(&broker).await;
    };
    let asking = async |host| outside.connect(host, 443).await.unwrap_err().to_string();
    let unanswered = async {
        let answers = tokio::join!(asking("a.example"), asking("b.example"));
        assert_eq!(answers, ("a.example".to_owned(), "b.example".to_owned()));
        // Until the broker is gone.
        let given_up = tokio::time::timeout(std::time::Duration::from_millis(50), asking("c.example")).await;
        assert!(given_up.is_err());
    };
    tokio::join!(answering, unanswered);
    let gone = async {
        heard(&broker).await;
        drop(broker);
    };
    assert_eq!(tokio::join!(asking("d.example"), gone).0, "the broker is gone");
    assert!(outside.connect("e.example", 443).await.is_err());
}

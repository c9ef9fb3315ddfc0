use hickory_proto::rr::{
    Record,
    rdata::{A, AAAA, CNAME},
};

use super::*;

/// A server that knows `a.example` by both families, `six.example` by one, `none.example` by none, and fails otherwise.
async fn server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let query = Message::from_vec(&buffer[..length]).unwrap();
            // Something that nobody asked for, first.
            socket.send_to(b"noise", from).await.unwrap();
            socket.send_to(&answer(&query).to_vec().unwrap(), from).await.unwrap();
        }
    });
    address
}

fn answer(query: &Message) -> Message {
    let asked = &query.queries[0];
    let mut answer = Message::response(query.metadata.id, query.metadata.op_code);
    answer.add_query(asked.clone());
    let record = |ttl, data| Record::from_rdata(asked.name.clone(), ttl, data);
    match (asked.name.to_ascii().as_str(), asked.query_type) {
        ("a.example.", RecordType::A) => {
            answer.add_answer(record(7, RData::CNAME(CNAME(Name::from_ascii("b.example.").unwrap()))));
            answer.add_answer(record(30, RData::A(A::new(10, 2, 0, 2))));
            answer.add_answer(record(30, RData::A(A::new(10, 2, 0, 1))));
        }
        ("six.example.", RecordType::AAAA) => {
            answer.add_answer(record(30, RData::AAAA(AAAA::new(0xfd00, 0, 0, 0, 0, 0, 0, 1))));
        }
        ("a.example." | "six.example.", _) => {}
        ("none.example.", _) => answer.metadata.response_code = ResponseCode::NXDomain,
        _ => answer.metadata.response_code = ResponseCode::ServFail,
    }
    answer
}

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[tokio::test]
async fn an_answer_is_all_addresses_of_one_family_and_the_shortest_time() {
    let server = server().await;
    let found = ask(server, "a.example").await.unwrap();
    let expected = Resolved { addresses: addresses(&["10.2.0.1", "10.2.0.2"]), ttl: Some(Duration::from_secs(7)) };
    assert_eq!(found, expected);
    let found = ask(server, "six.example").await.unwrap();
    assert_eq!(found.addresses, addresses(&["fd00::1"]));
}

#[tokio::test]
async fn no_such_name_is_an_answer_and_a_failure_is_none() {
    let server = server().await;
    assert_eq!(ask(server, "none.example").await.unwrap(), Resolved::default());
    assert!(ask(server, "broken.example").await.is_err());
}

#[tokio::test]
async fn where_nobody_serves_dns_the_question_is_refused() {
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = ask(nobody, "a.example").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn addresses_are_in_order_and_of_version_6_only_if_there_is_no_other() {
    assert_eq!(
        preferred(addresses(&["10.0.0.2", "fd00::1", "10.0.0.1", "10.0.0.2"])),
        addresses(&["10.0.0.1", "10.0.0.2"])
    );
    assert_eq!(preferred(addresses(&["fd00::2", "fd00::1"])), addresses(&["fd00::1", "fd00::2"]));
}

#[test]
fn the_nodes_own_address_is_the_one_that_its_workloads_see() {
    assert_eq!(own_address("127.0.0.1".parse().unwrap()), Some("127.0.0.1".parse().unwrap()));
}

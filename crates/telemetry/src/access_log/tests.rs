use std::sync::{Condvar, Mutex};

use super::*;

fn record() -> ConnectionRecord {
    ConnectionRecord {
        at: SystemTime::UNIX_EPOCH,
        direction: Direction::Inbound,
        source: Party { address: Some("10.0.0.1:4000".parse().unwrap()), ..Party::default() },
        destination: Party {
            address: Some("[fd00::1]:80".parse().unwrap()),
            workload: Some("a-0".into()),
            owner: Some("a".into()),
            namespace: Some("ns".into()),
            identity: Some("spiffe://cluster.local/ns/ns/sa/a".parse().unwrap()),
        },
        hbone: None,
        service: None,
        sent: 1,
        received: 2,
        duration: Duration::from_millis(3),
        flag: ResponseFlag::Deny,
        policy: Some(RuleId("PeerAuthentication/ns/default/1".into())),
        version: 7,
        error: Some("plaintext \"refused\"".into()),
    }
}

#[test]
fn a_line_holds_all_that_is_known() {
    let mut line = String::new();
    record().render(&mut line);
    assert_eq!(
        line,
        "1970-01-01T00:00:00Z error access connection denied src.addr=10.0.0.1:4000 dst.addr=[fd00::1]:80 \
         dst.workload=a-0 dst.namespace=ns dst.identity=spiffe://cluster.local/ns/ns/sa/a direction=inbound \
         bytes_sent=1 bytes_recv=2 duration=3ms response_flags=DENY version=7 \
         policy=PeerAuthentication/ns/default/1 error=\"plaintext \\\"refused\\\"\"\n"
    );
}

/// Blocks its first write until released.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Write for Gate {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        let mut open = self.0.0.lock().unwrap();
        while !*open {
            open = self.0.1.wait(open).unwrap();
        }
        Ok(buffer.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stuck_writer_never_blocks_and_drops_are_counted() {
    let gate = Gate::default();
    let log = AccessLog::start(gate.clone()).unwrap();
    for _ in 0..QUEUE + 200 {
        log.write(record());
    }
    assert!(log.dropped() > 0);
    *gate.0.0.lock().unwrap() = true;
    gate.0.1.notify_all();
}

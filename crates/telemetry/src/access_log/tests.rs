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

/// Keeps what is written.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(buffer);
        Ok(buffer.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_was_queued_before_a_flush_is_written_after_it() {
    let lines = Page::default();
    let log = AccessLog::start(lines.clone()).unwrap();
    (0..3).for_each(|_| log.write(record()));
    log.flush(Duration::from_secs(60));
    assert_eq!(String::from_utf8(lines.0.lock().unwrap().clone()).unwrap().lines().count(), 3);
    // A writer that is stuck is not waited for longer than that.
    let stuck = AccessLog::start(Gate::default()).unwrap();
    stuck.write(record());
    stuck.flush(Duration::ZERO);
}

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    time::{Duration, SystemTime},
};

use super::*;
use crate::{Direction, Missing, Party, Surroundings};

/// Hands each write to the test, and returns when the test lets it.
struct Output {
    written: Sender<String>,
    go_on: Receiver<std::io::Result<()>>,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let _ = self.written.send(String::from_utf8(bytes.to_vec()).unwrap());
        self.go_on.recv().unwrap_or(Ok(()))?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Test {
    log: RequestLog,
    written: Receiver<String>,
    go_on: Sender<std::io::Result<()>>,
}

const LONG: Duration = Duration::from_secs(30);

impl Test {
    fn start() -> Self {
        let ((sender, written), (go_on, receiver)) = (channel(), channel());
        let log = RequestLog::start(Output { written: sender, go_on: receiver }).unwrap();
        Self { log, written, go_on }
    }

    fn next(&self) -> String {
        self.written.recv_timeout(LONG).unwrap()
    }
}

fn write(lane: &mut LogLane, path: &str) {
    let format = LogFormat::text("%REQ(:PATH)%", Missing::Shown, &Surroundings::NONE).unwrap();
    let nobody = Party::default();
    let mut exchange = Exchange::new(SystemTime::UNIX_EPOCH, Direction::Inbound, &nobody, &nobody);
    exchange.request.path = path;
    lane.write(&format, &exchange);
}

#[test]
fn what_piles_up_goes_out_with_one_write() {
    let test = Test::start();
    let mut lane = test.log.lane();
    write(&mut lane, "/1");
    assert_eq!(test.next(), "/1\n");
    write(&mut lane, "/2");
    write(&mut lane, "/3");
    test.go_on.send(Ok(())).unwrap();
    assert_eq!(test.next(), "/2\n/3\n");
    assert_eq!(test.log.dropped(), 0);
}

#[test]
fn a_stuck_output_never_blocks_and_drops_are_counted() {
    let test = Test::start();
    let mut lane = test.log.lane();
    write(&mut lane, "/first");
    assert_eq!(test.next(), "/first\n");
    let path = "x".repeat(4_000);
    let fits = LANE_BYTES / 4_001;
    for _ in 0..fits + 5 {
        write(&mut lane, &path);
    }
    assert_eq!(test.log.dropped(), 5);
    // Another worker has room of its own.
    let mut other = test.log.lane();
    write(&mut other, "/other");
    assert_eq!(test.log.dropped(), 5);
    for _ in 0..3 {
        test.go_on.send(Ok(())).unwrap();
    }
    assert_eq!(test.next().len(), fits * 4_001);
    assert_eq!(test.next(), "/other\n");
    write(&mut lane, "/again");
    assert_eq!(test.next(), "/again\n");
}

#[test]
fn all_is_written_before_the_thread_ends() {
    let test = Test::start();
    let mut lanes = [test.log.lane(), test.log.lane()];
    write(&mut lanes[0], "/1");
    assert_eq!(test.next(), "/1\n");
    write(&mut lanes[0], "/2");
    write(&mut lanes[1], "/3");
    drop(lanes);
    let Test { log, written, go_on } = test;
    drop(log);
    for _ in 0..3 {
        go_on.send(Ok(())).unwrap();
    }
    let mut rest: Vec<String> = (0..2).map(|_| written.recv_timeout(LONG).unwrap()).collect();
    rest.sort();
    assert_eq!(rest, ["/2\n", "/3\n"]);
    // The thread has dropped its output.
    assert!(written.recv_timeout(LONG).is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn after_a_failure_everything_is_dropped_and_counted() {
    let test = Test::start();
    let mut lane = test.log.lane();
    write(&mut lane, "/1");
    assert_eq!(test.next(), "/1\n");
    test.go_on.send(Err(std::io::ErrorKind::BrokenPipe.into())).unwrap();
    assert!(test.written.recv_timeout(LONG).is_err());
    for _ in 0..3 {
        write(&mut lane, "/2");
    }
    assert_eq!(test.log.dropped(), 3);
}

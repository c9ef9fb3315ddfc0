use std::{
    sync::atomic::AtomicUsize,
    task::Wake,
    time::{Duration, SystemTime},
};

use super::*;
use crate::{Direction, Party};

fn offer(writer: &mut TapWriter, path: &str) {
    let nobody = Party::default();
    let mut exchange = Exchange::new(SystemTime::UNIX_EPOCH, Direction::Inbound, &nobody, &nobody);
    exchange.request.method = "GET";
    exchange.request.path = path;
    writer.offer(&exchange);
}

fn paths(batch: &Batch) -> Vec<&str> {
    batch.records.iter().map(|record| &*record.path).collect()
}

fn prefix(path: &str) -> RecordFilter {
    RecordFilter { path_prefix: Some(path.into()), ..RecordFilter::default() }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn nobody_looks_on() {
    let hub = TapHub::default();
    let mut writer = hub.writer();
    assert!(!writer.is_watched());
    offer(&mut writer, "/before");
    let mut tap = hub.open(RecordFilter::default(), RING).unwrap();
    assert!(writer.is_watched());
    offer(&mut writer, "/after");
    assert_eq!(paths(&tap.take()), ["/after"]);
    drop(tap);
    assert!(!writer.is_watched() && hub.taps() == 0);
    offer(&mut writer, "/late");
    assert!(writer.rings.is_empty(), "the rings of closed taps are let go");
}

#[test]
fn each_reader_gets_what_it_wants() {
    let hub = TapHub::default();
    let mut writers = [hub.writer(), hub.writer()];
    let mut all = hub.open(RecordFilter::default(), RING).unwrap();
    let mut some = hub.open(prefix("/a"), RING).unwrap();
    offer(&mut writers[0], "/a/1");
    offer(&mut writers[1], "/b/2");
    offer(&mut writers[0], "/a/3");
    let batch = all.take();
    assert_eq!(paths(&batch), ["/a/1", "/a/3", "/b/2"]);
    let mine = some.take();
    assert_eq!(paths(&mine), ["/a/1", "/a/3"]);
    // A record is made once, for all.
    assert!(Arc::ptr_eq(&batch.records[0], &mine.records[0]));
    drop(all);
    offer(&mut writers[0], "/a/4");
    assert_eq!(paths(&some.take()), ["/a/4"]);
    assert!(some.take().is_empty());
}

#[test]
fn a_slow_reader_loses_the_oldest_and_is_told() {
    let hub = TapHub::default();
    let mut writers = [hub.writer(), hub.writer()];
    let mut slow = hub.open(RecordFilter::default(), 2).unwrap();
    let mut quick = hub.open(RecordFilter::default(), 10).unwrap();
    for path in ["/1", "/2", "/3", "/4", "/5"] {
        offer(&mut writers[0], path);
    }
    offer(&mut writers[1], "/6");
    let batch = slow.take();
    assert_eq!((paths(&batch), batch.dropped), (vec!["/4", "/5", "/6"], 3));
    offer(&mut writers[0], "/7");
    let batch = slow.take();
    assert_eq!((paths(&batch), batch.dropped), (vec!["/7"], 0));
    assert_eq!((quick.take().records.len(), quick.take().dropped), (7, 0));
}

#[test]
fn a_ring_that_is_being_read_is_not_waited_for() {
    let hub = TapHub::default();
    let mut writer = hub.writer();
    let mut tap = hub.open(RecordFilter::default(), RING).unwrap();
    offer(&mut writer, "/1");
    let ring = writer.rings[0].1.clone();
    let reading = ring.records.lock().unwrap();
    offer(&mut writer, "/2");
    drop(reading);
    offer(&mut writer, "/3");
    let batch = tap.take();
    assert_eq!((paths(&batch), batch.dropped), (vec!["/1", "/3"], 1));
}

#[test]
fn a_list_that_is_being_changed_is_followed_later() {
    let hub = TapHub::default();
    let mut writer = hub.writer();
    let mut tap = hub.open(RecordFilter::default(), RING).unwrap();
    let changing = hub.shared.readers.lock().unwrap();
    offer(&mut writer, "/1");
    drop(changing);
    let reader = tap.reader.clone();
    let reading = reader.rings.lock().unwrap();
    offer(&mut writer, "/2");
    drop(reading);
    offer(&mut writer, "/3");
    assert_eq!(paths(&tap.take()), ["/3"]);
}

#[test]
fn a_reader_that_waits_is_woken_once() {
    let hub = TapHub::default();
    let mut writer = hub.writer();
    let mut tap = hub.open(prefix("/a"), RING).unwrap();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut context = Context::from_waker(&waker);
    assert!(tap.poll_next(&mut context).is_pending());
    offer(&mut writer, "/b");
    assert_eq!(woken.0.load(Relaxed), 0, "what it does not want does not wake it");
    offer(&mut writer, "/a/1");
    offer(&mut writer, "/a/2");
    assert_eq!(woken.0.load(Relaxed), 1);
    let Poll::Ready(batch) = tap.poll_next(&mut context) else { panic!("nothing came") };
    assert_eq!(paths(&batch), ["/a/1", "/a/2"]);
    assert!(tap.poll_next(&mut context).is_pending());
    assert!(!Batch { dropped: 1, ..Batch::default() }.is_empty());
}

#[test]
fn taps_are_bounded() {
    let hub = TapHub::default();
    let mut taps: Vec<Tap> = (0..TAPS).map(|_| hub.open(RecordFilter::default(), 1).unwrap()).collect();
    assert_eq!(hub.open(RecordFilter::default(), 1).unwrap_err(), Error::TooManyTaps(TAPS));
    taps.pop();
    assert!(hub.open(RecordFilter::default(), 1).is_ok());
}

#[test]
fn what_a_finished_worker_left_is_still_read() {
    let hub = TapHub::default();
    let mut writer = hub.writer();
    let mut tap = hub.open(RecordFilter::default(), RING).unwrap();
    offer(&mut writer, "/1");
    drop(writer);
    assert_eq!(paths(&tap.take()), ["/1"]);
    assert!(tap.reader.rings.lock().unwrap().is_empty(), "its ring is let go");
}

#[test]
fn nothing_is_lost_uncounted_between_threads() {
    const EACH: usize = 20_000;
    let hub = TapHub::default();
    let mut tap = hub.open(RecordFilter::default(), 64).unwrap();
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let mut writer = hub.writer();
            std::thread::spawn(move || {
                // Before it has followed the list of taps nothing is counted.
                while writer.rings.is_empty() {
                    writer.follow();
                }
                for _ in 0..EACH {
                    offer(&mut writer, "/");
                }
            })
        })
        .collect();
    let (mut got, mut lost) = (0, 0);
    let mut count = |batch: Batch| {
        got += batch.records.len();
        lost += usize::try_from(batch.dropped).unwrap();
        got + lost
    };
    let parker = std::thread::current();
    let waker = Waker::from(Arc::new(Unpark(parker)));
    let mut context = Context::from_waker(&waker);
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    let mut total = 0;
    while total < 2 * EACH {
        match tap.poll_next(&mut context) {
            Poll::Ready(batch) => total = count(batch),
            // A wake-up that got lost would show here.
            Poll::Pending => std::thread::park_timeout(deadline - std::time::Instant::now()),
        }
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(count(tap.take()), 2 * EACH);
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

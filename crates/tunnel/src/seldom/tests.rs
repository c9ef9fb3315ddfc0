use std::{
    cell::Cell,
    future::poll_fn,
    pin::pin,
    sync::{Arc, atomic::AtomicUsize, atomic::Ordering::Relaxed},
    task::{Context, Poll, Wake, Waker},
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Seldom;

#[derive(Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn task() -> (Arc<Task>, Waker) {
    let task = Arc::new(Task::default());
    (task.clone(), Waker::from(task))
}

#[test]
fn polled_once_until_it_rings() {
    let (polls, token) = (Cell::new(0), CancellationToken::new());
    let mut cancelled = pin!(token.cancelled());
    let mut seldom = pin!(Seldom::new(poll_fn(|cx| {
        polls.set(polls.get() + 1);
        cancelled.as_mut().poll(cx)
    })));
    let (woken, waker) = task();
    for _ in 0..10 {
        assert!(seldom.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!((polls.get(), woken.0.load(Relaxed)), (1, 0));
    token.cancel();
    assert_eq!(woken.0.load(Relaxed), 1);
    assert!(seldom.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    assert_eq!(polls.get(), 2);
}

#[test]
fn wakes_the_task_that_looked_last() {
    let token = CancellationToken::new();
    let mut seldom = pin!(Seldom::new(token.cancelled()));
    let ((first, a), (second, b)) = (task(), task());
    assert!(seldom.as_mut().poll(&mut Context::from_waker(&a)).is_pending());
    // Nothing has rung, but the bell has to know the new one.
    assert!(seldom.as_mut().poll(&mut Context::from_waker(&b)).is_pending());
    token.cancel();
    assert_eq!((first.0.load(Relaxed), second.0.load(Relaxed)), (0, 1));
    assert!(seldom.as_mut().poll(&mut Context::from_waker(&b)).is_ready());
}

#[test]
fn what_rings_while_it_is_looked_at_is_looked_at_again() {
    let mut polls = 0;
    let mut seldom = pin!(Seldom::new(poll_fn(|cx| {
        polls += 1;
        if polls == 3 {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })));
    let (woken, waker) = task();
    assert!(seldom.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(seldom.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert_eq!(woken.0.load(Relaxed), 2);
    assert!(seldom.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
}

#[tokio::test]
async fn heard_from_another_thread() {
    let notify = Arc::new(Notify::new());
    let rings = notify.clone();
    let ringer = std::thread::spawn(move || rings.notify_one());
    Seldom::new(notify.notified()).await;
    ringer.join().expect("it rings");
}

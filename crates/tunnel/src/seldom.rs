//! What is waited for beside something that happens often.
//!
//! A task that copies bytes is woken for each of them, and with it would be looked at whatever else may end it: tokens,
//! channels and notifications, most of them with a lock that other threads take, too. None of them has anything to say
//! then. [`Seldom`] looks only when what it waits for has rung.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{
            AtomicBool,
            Ordering::{AcqRel, Acquire, Release},
        },
    },
    task::{Context, Poll, Wake, Waker},
};

use pin_project_lite::pin_project;

pin_project! {
    /// A future that is polled at first and then only after it was woken, however often its task is.
    #[derive(Debug)]
    pub struct Seldom<F> {
        #[pin]
        future: F,
        bell: Arc<Bell>,
        // Rings the bell.
        waker: Waker,
        // The task's own, as it is known to the bell.
        task: Option<Waker>,
    }
}

#[derive(Debug)]
struct Bell {
    has_rung: AtomicBool,
    task: Mutex<Option<Waker>>,
}

// === impl Seldom ===

impl<F: Future> Seldom<F> {
    /// Waits for `future`.
    pub fn new(future: F) -> Self {
        let bell = Arc::new(Bell { has_rung: AtomicBool::new(true), task: Mutex::default() });
        Self { future, waker: Waker::from(bell.clone()), bell, task: None }
    }
}

impl<F: Future> Future for Seldom<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if !this.task.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *this.task = Some(cx.waker().clone());
            // Before the bell is looked at: if it rings meanwhile, this task hears it.
            *this.bell.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        }
        if !this.bell.has_rung.load(Acquire) || !this.bell.has_rung.swap(false, AcqRel) {
            return Poll::Pending;
        }
        this.future.poll(&mut Context::from_waker(this.waker))
    }
}

// === impl Bell ===

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.has_rung.store(true, Release);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests;

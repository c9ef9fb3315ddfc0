use super::*;

const fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// One machine and what it asked for since it was last looked at.
struct Bench {
    machine: Machine,
    now: Duration,
}

impl Bench {
    fn new() -> Self {
        Self { machine: Machine::default(), now: at(0) }
    }

    /// A captured workload, as after a whole enrolment with `plain` exempt connections.
    fn captured(plain: u64) -> Self {
        let mut bench = Self::new();
        bench.see(Event::ProxyUp { held: false }, &[]);
        bench.see(Event::Namespace(Rules::None), &[]);
        bench.see(Event::Wanted(Some(true)), &[Action::Open]);
        bench.see(Event::Opened(Opened::Handed), &[]);
        bench.see(Event::Acknowledged(Ok(())), &[Action::Enrol]);
        bench.see(Event::Enrolled(Ok(plain)), &[]);
        bench.is(State::Captured, "");
        bench
    }

    #[track_caller]
    fn see(&mut self, event: Event, expected: &[Action]) {
        self.machine.observe(event, self.now);
        self.asks(expected);
    }

    #[track_caller]
    fn asks(&mut self, expected: &[Action]) {
        let mut asked = Vec::new();
        while let Some(action) = self.machine.poll(self.now) {
            asked.push(action);
            assert!(asked.len() < 10, "asks for ever: {asked:?}");
        }
        assert_eq!(asked, expected, "at {:?}", self.now);
        // Whoever sleeps until then must find something to do then, and not before.
        if let Some(wake) = self.machine.wake() {
            assert!(wake > self.now, "wakes at {wake:?}, it is {:?}", self.now);
        }
    }

    #[track_caller]
    fn is(&self, state: State, reason: &str) {
        assert_eq!((self.machine.state(), self.machine.reason()), (state, reason));
    }

    /// Sleeps as the shell does.
    #[track_caller]
    fn sleep(&mut self, expected: &[Action]) {
        self.now = self.machine.wake().expect("has something to wait for");
        self.asks(expected);
    }
}

#[test]
fn enrols_in_order() {
    let mut bench = Bench::new();
    bench.see(Event::Wanted(Some(true)), &[]);
    bench.is(State::None, "");
    bench.see(Event::Namespace(Rules::None), &[]);
    bench.is(State::Pending, NO_PROXY);
    assert_eq!(bench.machine.wake(), None, "waits for the proxy without waking");
    bench.see(Event::ProxyUp { held: false }, &[Action::Open]);
    bench.is(State::Pending, NOT_TAKEN);
    bench.see(Event::Opened(Opened::Handed), &[]);
    bench.see(Event::Acknowledged(Ok(())), &[Action::Enrol]);
    bench.is(State::SynPhase, TAKING_OVER);
    bench.see(Event::Enrolled(Ok(3)), &[]);
    bench.is(State::Captured, "");
    assert_eq!((bench.machine.plain(), bench.machine.wake()), (3, None));
    bench.see(Event::PlainCount(0), &[]);
    assert_eq!(bench.machine.plain(), 0);
}

#[test]
fn what_is_not_wanted_stays_as_it_is() {
    let mut bench = Bench::new();
    bench.see(Event::ProxyUp { held: false }, &[]);
    bench.see(Event::Namespace(Rules::None), &[]);
    for wanted in [None, Some(false)] {
        bench.see(Event::Wanted(wanted), &[]);
        bench.is(State::None, "");
    }
}

#[test]
fn a_held_port_is_named_and_tried_each_second() {
    let mut bench = Bench::new();
    bench.see(Event::ProxyUp { held: false }, &[]);
    bench.see(Event::Namespace(Rules::None), &[]);
    bench.see(Event::Wanted(Some(true)), &[Action::Open]);
    for _ in 0..3 {
        bench.see(Event::Opened(Opened::Held("port 15001 is held by envoy (pid 7)".into())), &[]);
        bench.is(State::Pending, "port 15001 is held by envoy (pid 7)");
        let before = bench.now;
        bench.sleep(&[Action::Open]);
        assert_eq!(bench.now, before + RETRY);
    }
    bench.see(Event::Opened(Opened::Handed), &[]);
    bench.see(Event::Acknowledged(Ok(())), &[Action::Enrol]);
}

#[test]
fn no_longer_wanted_while_pending() {
    let mut bench = Bench::new();
    bench.see(Event::ProxyUp { held: false }, &[]);
    bench.see(Event::Namespace(Rules::None), &[]);
    bench.see(Event::Wanted(Some(true)), &[Action::Open]);
    bench.see(Event::Wanted(Some(false)), &[]);
    bench.see(Event::Opened(Opened::Handed), &[Action::Delete]);
    bench.is(State::None, "");
    bench.see(Event::Acknowledged(Ok(())), &[]);
    assert!(!bench.machine.is_served());
}

#[test]
fn a_refusing_proxy_is_asked_again() {
    let mut bench = Bench::new();
    bench.see(Event::ProxyUp { held: false }, &[]);
    bench.see(Event::Namespace(Rules::None), &[]);
    bench.see(Event::Wanted(Some(true)), &[Action::Open]);
    assert!(bench.machine.is_to_be_handed());
    bench.see(Event::Opened(Opened::Handed), &[]);
    bench.is(State::Pending, NOT_TAKEN);
    assert!(!bench.machine.is_to_be_handed() && bench.machine.wake().is_none());
    bench.see(Event::Acknowledged(Err("no identity".into())), &[]);
    bench.is(State::Pending, "the proxy of the node refused the workload: no identity");
    assert!(!bench.machine.is_to_be_handed(), "what is in the way does not hold up others");
    bench.sleep(&[Action::Open]);
}

#[test]
fn the_proxy_restarts() {
    let mut bench = Bench::captured(0);
    bench.see(Event::ProxyDown, &[]);
    bench.is(State::Captured, NO_PROXY);
    assert!(!bench.machine.is_served());
    bench.see(Event::ProxyUp { held: false }, &[Action::Open]);
    bench.is(State::Captured, NOT_TAKEN);
    bench.see(Event::Opened(Opened::NotYet), &[]);
    let before = bench.now;
    bench.sleep(&[Action::Open]);
    assert_eq!(bench.now, before + RETRY_SOON);
    bench.see(Event::Opened(Opened::Handed), &[]);
    bench.see(Event::Acknowledged(Ok(())), &[]);
    bench.is(State::Captured, "");
}

#[test]
fn the_agent_restarts() {
    // Captured: only the listeners are handed over, or found with the proxy.
    let mut bench = Bench::new();
    bench.see(Event::Namespace(Rules::Full), &[]);
    bench.is(State::Captured, NO_PROXY);
    bench.see(Event::ProxyUp { held: false }, &[Action::Open]);
    bench.see(Event::Opened(Opened::Handed), &[]);
    bench.see(Event::Acknowledged(Ok(())), &[]);
    bench.see(Event::Wanted(Some(true)), &[]);
    bench.see(Event::Wanted(None), &[]);
    bench.is(State::Captured, "");

    // The proxy has kept its listeners: nothing is to be done.
    let mut bench = Bench::new();
    bench.see(Event::Wanted(Some(true)), &[]);
    bench.see(Event::Namespace(Rules::Full), &[]);
    bench.see(Event::ProxyUp { held: true }, &[]);
    bench.is(State::Captured, "");
    assert!(bench.machine.is_served());

    // It holds listeners of a namespace that is gone meanwhile.
    let mut bench = Bench::new();
    bench.see(Event::Wanted(Some(true)), &[]);
    bench.see(Event::Namespace(Rules::None), &[]);
    bench.see(Event::ProxyUp { held: true }, &[Action::Delete, Action::Open]);

    // Half way in: goes on once the listeners are served.
    let mut bench = Bench::new();
    bench.see(Event::Wanted(Some(true)), &[]);
    bench.see(Event::Namespace(Rules::Starting), &[]);
    bench.is(State::Pending, NO_PROXY);
    bench.see(Event::ProxyUp { held: false }, &[Action::Open]);
    bench.see(Event::Opened(Opened::Handed), &[]);
    bench.see(Event::Acknowledged(Ok(())), &[Action::Enrol]);

    // Half way to leaving.
    let mut bench = Bench::new();
    bench.see(Event::Wanted(None), &[]);
    bench.see(Event::Namespace(Rules::Stopping), &[Action::Leave]);
    bench.is(State::Draining, "");

    // Half way out: waits for the proxy's counts.
    let mut bench = Bench::new();
    bench.see(Event::Wanted(Some(false)), &[]);
    bench.see(Event::Namespace(Rules::Leaving), &[]);
    bench.is(State::Draining, "");
    bench.see(Event::ProxyUp { held: false }, &[Action::Open]);
    bench.see(Event::Opened(Opened::Handed), &[]);
    bench.see(Event::Acknowledged(Ok(())), &[Action::Drain]);
    bench.see(Event::CapturedCount(0), &[]);
    bench.sleep(&[Action::Remove]);
}

#[test]
fn who_holds_the_listeners_comes_while_they_are_opened_for_another() {
    let mut bench = Bench::new();
    bench.see(Event::Namespace(Rules::Full), &[]);
    bench.see(Event::Wanted(Some(true)), &[]);
    bench.see(Event::ProxyUp { held: false }, &[Action::Open]);
    bench.see(Event::Moved(Side::Sidecar), &[]);
    bench.see(Event::ProxyUp { held: true }, &[]);
    // Of course they could not be opened once more.
    bench.see(Event::Opened(Opened::NotYet), &[]);
    bench.is(State::Captured, "");
}

#[test]
fn leaves_when_the_last_connection_ended() {
    let mut bench = Bench::captured(1);
    bench.now = at(10_000);
    bench.see(Event::Wanted(Some(false)), &[Action::Leave]);
    bench.is(State::Draining, "");
    bench.see(Event::Left(Ok(())), &[Action::Drain]);
    bench.see(Event::CapturedCount(2), &[]);
    assert_eq!((bench.machine.draining(), bench.machine.wake()), (2, None));
    bench.now = at(60_000);
    bench.see(Event::CapturedCount(1), &[]);
    bench.see(Event::CapturedCount(0), &[Action::Remove]);
    bench.see(Event::Removed(Ok(())), &[Action::Delete]);
    bench.is(State::None, "");
    assert_eq!((bench.machine.plain(), bench.machine.draining()), (0, 0));
}

#[test]
fn stale_senders_have_three_seconds() {
    let mut bench = Bench::captured(0);
    bench.now = at(10_000);
    bench.see(Event::Wanted(Some(false)), &[Action::Leave]);
    bench.now = at(10_100);
    bench.see(Event::Left(Ok(())), &[Action::Drain]);
    bench.see(Event::CapturedCount(0), &[]);
    bench.now = at(12_000);
    bench.see(Event::CapturedCount(1), &[]);
    bench.see(Event::CapturedCount(0), &[]);
    bench.sleep(&[Action::Remove]);
    assert_eq!(bench.now, at(10_100) + LINGER);
}

#[test]
fn leaves_without_a_proxy() {
    // It died: so did its connections.
    let mut bench = Bench::captured(0);
    bench.see(Event::ProxyDown, &[]);
    bench.see(Event::Wanted(Some(false)), &[Action::Leave]);
    bench.see(Event::Left(Ok(())), &[]);
    bench.sleep(&[Action::Remove]);
    assert_eq!(bench.now, LINGER);
    bench.see(Event::Removed(Ok(())), &[]);
    bench.is(State::None, "");

    // It was never seen by this agent.
    let mut bench = Bench::new();
    bench.see(Event::Wanted(Some(false)), &[]);
    bench.see(Event::Namespace(Rules::Full), &[Action::Leave]);
    bench.see(Event::Left(Ok(())), &[]);
    bench.sleep(&[Action::Remove]);
    assert_eq!(bench.now, ABANDON);
}

#[test]
fn a_proxy_restarts_while_the_workload_leaves() {
    let mut bench = Bench::captured(0);
    bench.see(Event::Wanted(Some(false)), &[Action::Leave]);
    bench.see(Event::Left(Ok(())), &[Action::Drain]);
    bench.see(Event::CapturedCount(5), &[]);
    bench.now = at(1000);
    bench.see(Event::ProxyDown, &[]);
    bench.see(Event::ProxyUp { held: false }, &[Action::Open]);
    bench.see(Event::Opened(Opened::Handed), &[]);
    bench.see(Event::Acknowledged(Ok(())), &[Action::Drain]);
    bench.see(Event::CapturedCount(0), &[]);
    bench.sleep(&[Action::Remove]);
    assert_eq!(bench.now, LINGER);
}

#[test]
fn enrols_again_while_draining() {
    let mut bench = Bench::captured(0);
    bench.see(Event::Wanted(Some(false)), &[Action::Leave]);
    bench.see(Event::Left(Ok(())), &[Action::Drain]);
    bench.see(Event::CapturedCount(4), &[]);
    // The proxy is told to stay before anything else.
    bench.see(Event::Wanted(Some(true)), &[Action::Open]);
    bench.is(State::Pending, NOT_TAKEN);
    bench.see(Event::Opened(Opened::Handed), &[]);
    bench.see(Event::Acknowledged(Ok(())), &[Action::Enrol]);
    bench.see(Event::Enrolled(Ok(2)), &[]);
    bench.is(State::Captured, "");
    assert_eq!((bench.machine.plain(), bench.machine.draining(), bench.machine.wake()), (2, 0, None));
}

#[test]
fn the_mind_changes_while_a_step_runs() {
    let mut bench = Bench::captured(0);
    bench.see(Event::Wanted(Some(false)), &[Action::Leave]);
    bench.see(Event::Wanted(Some(true)), &[]);
    bench.see(Event::Left(Ok(())), &[Action::Enrol]);
    bench.see(Event::Wanted(Some(false)), &[]);
    bench.is(State::Draining, "");
    bench.see(Event::Enrolled(Ok(0)), &[Action::Leave]);
    bench.see(Event::Left(Ok(())), &[Action::Drain]);
}

#[test]
fn the_workload_ends() {
    let mut bench = Bench::captured(2);
    bench.see(Event::NamespaceGone, &[Action::Delete]);
    bench.is(State::None, "");
    assert!(!bench.machine.is_served() && bench.machine.plain() == 0);
    // And starts anew, in another namespace.
    bench.see(Event::Namespace(Rules::None), &[Action::Open]);

    let mut bench = Bench::captured(0);
    bench.see(Event::Wanted(Some(false)), &[Action::Leave]);
    bench.see(Event::NamespaceGone, &[Action::Delete]);
    assert_eq!(bench.machine.wake(), None);
}

#[test]
fn failed_steps_are_tried_again() {
    let mut bench = Bench::captured(0);
    bench.see(Event::Wanted(Some(false)), &[Action::Leave]);
    bench.see(Event::Left(Err("no memory".into())), &[]);
    bench.is(State::Draining, "no memory");
    bench.sleep(&[Action::Leave]);
    bench.see(Event::Left(Ok(())), &[Action::Drain]);
    bench.is(State::Draining, "");
    bench.see(Event::CapturedCount(0), &[]);
    bench.sleep(&[Action::Remove]);
    bench.see(Event::Removed(Err("busy".into())), &[]);
    bench.sleep(&[Action::Remove]);
    bench.see(Event::Removed(Ok(())), &[Action::Delete]);

    let mut bench = Bench::new();
    bench.see(Event::ProxyUp { held: false }, &[]);
    bench.see(Event::Namespace(Rules::None), &[]);
    bench.see(Event::Wanted(Some(true)), &[Action::Open]);
    bench.see(Event::Opened(Opened::Handed), &[]);
    bench.see(Event::Acknowledged(Ok(())), &[Action::Enrol]);
    bench.see(Event::Enrolled(Err("no table".into())), &[]);
    bench.is(State::Pending, "no table");
    bench.sleep(&[Action::Enrol]);
    bench.see(Event::Enrolled(Err("no table".into())), &[]);
    // What may be there is taken away again.
    bench.see(Event::Wanted(Some(false)), &[Action::Leave]);
}

/// Whatever happens in whatever order, nobody spins, and a workload whose steps succeed ends where
/// configuration wants it.
#[test]
fn any_order_settles() {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % bound
    };
    for _ in 0..3000 {
        let mut machine = Machine::default();
        let (mut now, mut kernel, mut pending) = (at(0), Rules::None, None);
        let mut proxy = false;
        let answer = |action: Action, kernel: &mut Rules, ok: bool| {
            let outcome = if ok { Ok(()) } else { Err("no".to_owned()) };
            let mut set = |rules| {
                if ok {
                    *kernel = rules;
                }
            };
            match action {
                Action::Open => Event::Opened(if ok { Opened::Handed } else { Opened::NotYet }),
                Action::Enrol => {
                    set(Rules::Full);
                    Event::Enrolled(outcome.map(|()| 1))
                }
                Action::Leave => {
                    set(Rules::Leaving);
                    Event::Left(outcome)
                }
                Action::Remove => {
                    set(Rules::None);
                    Event::Removed(outcome)
                }
                Action::Drain | Action::Delete => unreachable!("need no answer"),
            }
        };
        for _ in 0..next(60) {
            now += at(next(400));
            match next(9) {
                0 => machine.observe(
                    Event::Wanted(
                        [None, Some(true), Some(false), None][usize::from(next(3) == 0) + usize::from(next(2) == 0)],
                    ),
                    now,
                ),
                1 => {
                    proxy = true;
                    machine.observe(Event::ProxyUp { held: next(4) == 0 }, now);
                }
                2 => {
                    proxy = false;
                    machine.observe(Event::ProxyDown, now);
                }
                3 => {
                    pending = None;
                    kernel = Rules::None;
                    machine.observe(Event::NamespaceGone, now);
                }
                4 if !machine.present => machine.observe(Event::Namespace(kernel), now),
                5 => machine.observe(Event::Acknowledged(Ok(())), now),
                6 => machine.observe(Event::CapturedCount(next(2)), now),
                _ => {
                    if let Some(action) = pending.take() {
                        let event = answer(action, &mut kernel, next(3) > 0);
                        machine.observe(event, now);
                    }
                }
            }
            while let Some(action) = machine.poll(now) {
                if !matches!(action, Action::Drain | Action::Delete) {
                    assert_eq!(pending.replace(action), None, "one step at a time");
                }
            }
        }
        // From here on all goes well.
        let wanted = next(2) == 0;
        machine.observe(Event::Wanted(Some(wanted)), now);
        if !machine.present {
            while machine.poll(now).is_some() {}
            machine.observe(Event::Namespace(kernel), now);
        }
        if !proxy {
            machine.observe(Event::ProxyUp { held: false }, now);
        }
        machine.observe(Event::Acknowledged(Ok(())), now);
        for _ in 0..60 {
            let action = pending.take().or_else(|| machine.poll(now));
            match action {
                Some(Action::Delete) => {}
                Some(Action::Drain) => machine.observe(Event::CapturedCount(0), now),
                Some(action) => {
                    let event = answer(action, &mut kernel, true);
                    machine.observe(event, now);
                    if action == Action::Open {
                        machine.observe(Event::Acknowledged(Ok(())), now);
                    }
                }
                None => match machine.wake() {
                    Some(wake) => now = wake,
                    None => break,
                },
            }
        }
        let end = if wanted { (State::Captured, Rules::Full) } else { (State::None, Rules::None) };
        assert_eq!((machine.state(), kernel), end, "{machine:?}");
    }
}

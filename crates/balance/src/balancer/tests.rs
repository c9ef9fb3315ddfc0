use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use ripstop_model::{ConnectionPool, HashTable, Health, LoadBalancer, OutlierDetection, PeakEwma, Share, Warmup};

use super::*;
use crate::{
    Endpoint, Outcome, Settings, hash_of,
    testing::{SECOND, assert_about, balanced, ejecting, endpoints, hashing, hosts, weighing},
};

mod latency;
mod load;

/// A worker with its random numbers.
struct Roller {
    worker: Balancer<u32>,
    dice: Dice,
    now: Instant,
}

impl Roller {
    fn new(settings: Settings, endpoints: Vec<Endpoint<u32>>) -> Self {
        let now = Instant::now();
        Self { worker: Backend::new(settings, endpoints, now).worker(), dice: Dice::new(77), now }
    }

    fn pick(&mut self, criteria: &Criteria<'_>) -> Result<Picked<u32>, Refused> {
        self.worker.pick(criteria, self.dice.next(), self.now)
    }

    /// The endpoint of a request that ends at once.
    fn key(&mut self, criteria: &Criteria<'_>) -> u32 {
        *self.pick(criteria).unwrap().key()
    }

    /// How many of so many requests each endpoint gets, one after another.
    fn shares(&mut self, requests: u32) -> BTreeMap<u32, u32> {
        let mut shares = BTreeMap::new();
        for _ in 0..requests {
            *shares.entry(self.key(&Criteria::default())).or_default() += 1;
        }
        shares
    }

    fn eject(&mut self, endpoint: u32) {
        for _ in 0..5 {
            self.worker.pick_named(&endpoint, self.now).unwrap().finish(Outcome::Status(500), self.now);
        }
    }
}

fn shares<const N: usize>(shares: [(u32, u32); N]) -> BTreeMap<u32, u32> {
    BTreeMap::from(shares)
}

/// The same with outlier detection that may eject all.
fn frail(settings: Settings) -> Settings {
    let outlier = OutlierDetection { max_ejection_percent: 100, ..OutlierDetection::default() };
    Settings { outlier: ejecting(outlier).outlier, ..settings }
}

#[test]
fn round_robin_is_exact_by_weight() {
    let mut roller = Roller::new(balanced(Algorithm::RoundRobin), weighing(&[1, 2, 3, 4]));
    assert_eq!(roller.shares(10), shares([(0, 1), (1, 2), (2, 3), (3, 4)]));
    assert_eq!(roller.shares(990), shares([(0, 99), (1, 198), (2, 297), (3, 396)]));
}

#[test]
fn round_robin_is_exact_among_those_that_are_not_ejected() {
    let mut roller = Roller::new(frail(balanced(Algorithm::RoundRobin)), weighing(&[1, 2, 3, 4]));
    roller.eject(2);
    assert_eq!(roller.shares(70), shares([(0, 10), (1, 20), (3, 40)]));
    roller.now += 30 * SECOND;
    assert_eq!(roller.shares(100), shares([(0, 10), (1, 20), (2, 30), (3, 40)]));
}

#[test]
fn random_is_by_weight() {
    let mut roller = Roller::new(balanced(Algorithm::Random), weighing(&[1, 2, 3, 4]));
    let equal = roller.shares(20_000);
    (0..4).for_each(|key| assert_about(equal[&key], 20_000, f64::from(key + 1) / 10.0));
    let mut roller = Roller::new(balanced(Algorithm::Random), endpoints(5));
    roller.shares(20_000).values().for_each(|share| assert_about(*share, 20_000, 0.2));
}

#[test]
fn random_disregards_the_ejected() {
    let mut roller = Roller::new(frail(balanced(Algorithm::Random)), weighing(&[1, 2, 3, 4]));
    roller.eject(3);
    let picked = roller.shares(12_000);
    (0..3).for_each(|key| assert_about(picked[&key], 12_000, f64::from(key + 1) / 6.0));
    assert!(!picked.contains_key(&3));
}

#[test]
fn least_request_of_equal_weights_takes_the_less_loaded_of_two() {
    let mut roller = Roller::new(Settings::default(), endpoints(4));
    // One is busy: it gets nothing, since whoever it is paired with has less.
    let busy = roller.worker.pick_named(&2, roller.now).unwrap();
    let picked = roller.shares(12_000);
    assert!(!picked.contains_key(&2));
    for share in picked.values() {
        assert_about(*share, 12_000, 1.0 / 3.0);
    }
    drop(busy);
    roller.shares(12_000).values().for_each(|share| assert_about(*share, 12_000, 0.25));
}

#[test]
fn requests_that_stay_are_spread_over_all() {
    let mut roller = Roller::new(Settings::default(), endpoints(10));
    let held: Vec<_> = (0..1_000).map(|_| roller.pick(&Criteria::default()).unwrap()).collect();
    let loads: Vec<_> = roller.worker.backend().endpoints(roller.now).iter().map(|one| one.active).collect();
    assert_eq!(loads.iter().sum::<u32>(), 1_000);
    let (least, most) = (*loads.iter().min().unwrap(), *loads.iter().max().unwrap());
    assert!(most - least <= 8, "{loads:?}");
    drop(held);
}

#[test]
fn least_request_of_other_weights_is_by_weight_where_nothing_is_active() {
    let mut roller = Roller::new(Settings::default(), weighing(&[1, 2, 3]));
    assert_eq!(roller.shares(60), shares([(0, 10), (1, 20), (2, 30)]));
}

#[test]
fn least_request_of_other_weights_takes_what_is_active_into_account() {
    let mut roller = Roller::new(Settings::default(), weighing(&[1, 1, 2]));
    // With three requests more, the heavy one counts as 2 / 4.
    let busy: Vec<_> = (0..3).map(|_| roller.worker.pick_named(&2, roller.now).unwrap()).collect();
    assert_eq!(roller.shares(50), shares([(0, 20), (1, 20), (2, 10)]));
    drop(busy);
}

#[test]
fn endpoints_that_were_tried_are_avoided() {
    for algorithm in [
        Algorithm::RoundRobin,
        Algorithm::Random,
        Algorithm::LeastRequest,
        Algorithm::PeakEwma(PeakEwma::default()),
        hashing(HashTable::Ring(64)),
        hashing(HashTable::Maglev(65_537)),
    ] {
        for weights in [[1, 1, 1, 1], [1, 5, 2, 9]] {
            let mut roller = Roller::new(balanced(algorithm.clone()), named(weighing(&weights)));
            for _ in 0..100 {
                let mut tried = Tried::new();
                let mut keys = Vec::new();
                for _ in 0..4 {
                    let criteria = Criteria { tried: &tried, ..Criteria::default() };
                    let picked = roller.pick(&criteria).unwrap();
                    keys.push(*picked.key());
                    tried.note(&picked);
                }
                keys.sort_unstable();
                assert_eq!(keys, [0, 1, 2, 3], "{algorithm:?}");
                assert_eq!(tried.attempts(), 4);
                // When there is no other, any will do.
                assert!(roller.key(&Criteria { tried: &tried, ..Criteria::default() }) < 4);
            }
        }
    }
}

#[test]
fn the_rest_share_what_those_that_were_tried_do_not_get() {
    let mut roller = Roller::new(balanced(Algorithm::Random), weighing(&[1, 2, 3, 4]));
    let mut tried = Tried::new();
    tried.note(&roller.worker.pick_named(&3, roller.now).unwrap());
    tried.note(&roller.worker.pick_named(&0, roller.now).unwrap());
    let criteria = Criteria { tried: &tried, ..Criteria::default() };
    let first = (0..10_000).filter(|_| roller.key(&criteria) == 1).count();
    assert_about(u32::try_from(first).unwrap(), 10_000, 0.4);
}

#[test]
fn of_many_tries_the_latest_sixteen_are_remembered() {
    let mut roller = Roller::new(balanced(Algorithm::RoundRobin), endpoints(18));
    let mut tried = Tried::new();
    (0..17).for_each(|key| tried.note(&roller.worker.pick_named(&key, roller.now).unwrap()));
    let criteria = Criteria { tried: &tried, ..Criteria::default() };
    let mut keys: Vec<_> = (0..100).map(|_| roller.key(&criteria)).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys, [0, 17]);
}

fn named(endpoints: Vec<Endpoint<u32>>) -> Vec<Endpoint<u32>> {
    endpoints.into_iter().map(|one| Endpoint { hash_key: format!("10.0.0.{}:80", one.key).into(), ..one }).collect()
}

#[test]
fn a_hash_leads_where_envoys_would() {
    let mut ring = Roller::new(balanced(hashing(HashTable::Ring(12))), hosts(6));
    let at = |hash| Criteria { hash: Some(hash), ..Criteria::default() };
    assert_eq!(ring.key(&at(0)), 94);
    assert_eq!(ring.key(&at(3_551_244_743_356_806_947)), 95);
    assert_eq!(ring.key(&at(3_551_244_743_356_806_948)), 93);
    let mut maglev = Roller::new(balanced(hashing(HashTable::Maglev(7))), hosts(6));
    let keys: Vec<_> = (0..7).map(|hash| maglev.key(&at(hash))).collect();
    assert_eq!(keys, [92, 94, 90, 91, 95, 90, 93]);
}

#[test]
fn an_ejection_moves_only_the_keys_of_the_ejected() {
    for table in [HashTable::Ring(1024), HashTable::Maglev(65_537)] {
        let mut roller = Roller::new(frail(balanced(hashing(table))), hosts(5));
        let keys = |roller: &mut Roller| -> Vec<u32> {
            let users = (0..500).map(|user| hash_of(format!("user-{user}").as_bytes()));
            users.map(|hash| roller.key(&Criteria { hash: Some(hash), ..Criteria::default() })).collect()
        };
        let before = keys(&mut roller);
        assert_eq!(keys(&mut roller), before);
        roller.eject(92);
        let without = keys(&mut roller);
        assert!(before.iter().zip(&without).all(|(before, now)| *now != 92 && (before == now || *before == 92)));
        // Those go to several others.
        let mut heirs: Vec<_> =
            before.iter().zip(&without).filter(|(one, _)| **one == 92).map(|(_, now)| *now).collect();
        heirs.sort_unstable();
        heirs.dedup();
        assert_eq!(heirs, [90, 91, 93, 94]);
        roller.now += 30 * SECOND;
        assert_eq!(keys(&mut roller), before);
    }
}

/// Of twenty thousand users, the new one of twenty endpoints takes its twentieth from all the others alike; hardly
/// anybody is moved between those, and whoever goes leaves all as it was.
#[test]
fn a_new_endpoint_takes_its_share_and_moves_few_others() {
    const USERS: u32 = 20_000;
    // A ring has some two hundred points an endpoint, which lie as they do.
    for (table, lost_by_each, moved_at_most) in
        [(HashTable::Ring(4_000), 0.0004..0.006, 0.06), (HashTable::Maglev(65_537), 0.0015..0.004, 0.02)]
    {
        let settings = balanced(hashing(table));
        let mut roller = Roller::new(settings.clone(), hosts(19));
        let keys = |roller: &mut Roller| -> Vec<u32> {
            let users = (0..USERS).map(|user| hash_of(format!("user-{user}").as_bytes()));
            users.map(|hash| roller.key(&Criteria { hash: Some(hash), ..Criteria::default() })).collect()
        };
        let before = keys(&mut roller);
        roller.worker.backend().replace(settings.clone(), hosts(20), roller.now);
        let with = keys(&mut roller);
        let new = 90 + 19;
        let part = |count: usize| f64::from(u32::try_from(count).unwrap()) / f64::from(USERS);
        let taken = part(with.iter().filter(|now| **now == new).count());
        assert!((0.04..0.06).contains(&taken), "{table:?}: the new one has {taken}");
        for old in 90..new {
            let lost = before.iter().zip(&with).filter(|(one, now)| **one == old && **now == new).count();
            assert!(lost_by_each.contains(&part(lost)), "{table:?}: {old} lost {lost}");
        }
        let moved = part(before.iter().zip(&with).filter(|(one, now)| **now != new && one != now).count());
        assert!(moved < moved_at_most, "{table:?}: {moved} were moved between others");
        roller.worker.backend().replace(settings, hosts(19), roller.now);
        assert_eq!(keys(&mut roller), before);
    }
}

#[test]
fn without_a_hash_a_table_is_entered_at_random() {
    let mut roller = Roller::new(balanced(hashing(HashTable::Maglev(65_537))), hosts(4));
    let picked = roller.shares(8_000);
    // The table itself is even to a hundredth.
    (90..94).for_each(|port| assert_about(picked[&port], 8_000, 0.25));
}

#[test]
fn tables_are_kept_where_nothing_of_theirs_changes() {
    let now = Instant::now();
    let settings = balanced(hashing(HashTable::Ring(64)));
    let backend = Backend::new(settings.clone(), hosts(3), now);
    let table = || backend.generation().load().groups[0].table.clone().unwrap();
    let first = table();
    let mut unready = hosts(3);
    unready[1].health = Health::Unhealthy;
    backend.replace(frail(settings.clone()), unready, now);
    assert!(Arc::ptr_eq(&first, &table()));
    backend.replace(settings.clone(), hosts(4), now);
    let second = table();
    assert!(!Arc::ptr_eq(&first, &second));
    let heavier = hosts(4).into_iter().map(|one| one.weighing(NonZeroU32::new(2).unwrap()));
    backend.replace(settings, heavier, now);
    assert!(!Arc::ptr_eq(&second, &table()));
    let third = table();
    backend.replace(balanced(hashing(HashTable::Ring(128))), hosts(4), now);
    assert!(!Arc::ptr_eq(&third, &table()));
}

/// Six of priority 0, and three of priority 7.
fn near_and_far() -> Vec<Endpoint<u32>> {
    endpoints(9).into_iter().map(|one| if one.key < 6 { one } else { one.with_priority(7) }).collect()
}

#[test]
fn the_next_priority_gets_what_the_first_can_not_take() {
    for algorithm in [Algorithm::RoundRobin, Algorithm::LeastRequest, Algorithm::Random] {
        let mut roller = Roller::new(frail(balanced(algorithm)), near_and_far());
        let far = |roller: &mut Roller| {
            let picks = (0..10_000).map(|_| roller.pick(&Criteria::default()).unwrap().priority());
            u32::try_from(picks.filter(|priority| *priority == 7).count()).unwrap()
        };
        assert_eq!(far(&mut roller), 0);
        // Five of six are still 1/1.4; four are not: 93 %; three are 70 %.
        roller.eject(0);
        assert_eq!(far(&mut roller), 0);
        roller.eject(1);
        assert_about(far(&mut roller), 10_000, 0.07);
        roller.eject(2);
        assert_about(far(&mut roller), 10_000, 0.30);
        (3..6).for_each(|endpoint| roller.eject(endpoint));
        assert_eq!(far(&mut roller), 10_000);
        roller.now += 30 * SECOND;
        assert_eq!(far(&mut roller), 0);
    }
}

#[test]
fn a_hash_decides_the_priority_too() {
    for table in [HashTable::Ring(1024), HashTable::Maglev(1021)] {
        let members: Vec<_> = named(near_and_far());
        let mut roller = Roller::new(frail(balanced(hashing(table))), members);
        (0..3).for_each(|endpoint| roller.eject(endpoint));
        // 70 of 100 stay, and each hash has its place.
        let priority = |roller: &mut Roller, hash| {
            roller.pick(&Criteria { hash: Some(hash), ..Criteria::default() }).unwrap().priority()
        };
        let first: Vec<_> = (0..1_000).map(|hash| priority(&mut roller, hash)).collect();
        assert_eq!(first.iter().filter(|priority| **priority == 0).count(), 700);
        assert_eq!((0..1_000).map(|hash| priority(&mut roller, hash)).collect::<Vec<_>>(), first);
    }
}

#[test]
fn those_that_are_not_ready_are_missing_from_their_priority() {
    let mut members = near_and_far();
    members[..3].iter_mut().for_each(|one| one.health = Health::Unhealthy);
    let mut roller = Roller::new(balanced(Algorithm::Random), members);
    let picked = roller.shares(10_000);
    assert_eq!(picked.keys().copied().collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8]);
    assert_about((6..9).map(|key| picked[&key]).sum(), 10_000, 0.30);
}

#[test]
fn a_retry_with_far_reach_leaves_a_priority_after_two_attempts() {
    let mut roller = Roller::new(balanced(Algorithm::RoundRobin), near_and_far());
    let mut tried = Tried::new();
    let mut priorities = Vec::new();
    for _ in 0..6 {
        let picked = roller.pick(&Criteria { tried: &tried, reach: Reach::Far, ..Criteria::default() }).unwrap();
        priorities.push(picked.priority());
        tried.note(&picked);
    }
    // After four, both were tried: all over again.
    assert_eq!(priorities, [0, 0, 7, 7, 0, 0]);
    let near = roller.pick(&Criteria { tried: &tried, ..Criteria::default() }).unwrap();
    assert_eq!(near.priority(), 0);
}

#[test]
fn a_new_endpoint_gets_its_share_little_by_little() {
    for algorithm in [Algorithm::RoundRobin, Algorithm::LeastRequest] {
        let warmup = Warmup { duration: 10 * SECOND, minimum: Share::from_percent(10.0), aggression: 1.0 };
        let balancer = LoadBalancer { algorithm, warmup: Some(warmup), locality: None };
        let settings = Settings { balancer: Arc::new(balancer), ..Settings::default() };
        let start = Instant::now();
        let backend = Backend::new(settings.clone(), endpoints(4), start);
        let mut roller = Roller { worker: backend.worker(), dice: Dice::new(3), now: start + 20 * SECOND };
        backend.replace(settings, endpoints(5), roller.now);
        // 4 of weight 1 beside one of weight w.
        for (seconds, weight) in [(0, 0.1), (1, 0.1), (4, 0.4), (7, 0.7)] {
            roller.now = start + (20 + seconds) * SECOND;
            // What was waited for by the weight before passes by.
            roller.shares(50);
            let new = roller.shares(1_000)[&4];
            let expected = 1_000.0 * weight / (4.0 + weight);
            assert!((f64::from(new) - expected).abs() <= 1.5, "{new}, not {expected}, after {seconds} s");
        }
        roller.now = start + 30 * SECOND;
        roller.shares(50);
        assert_about(roller.shares(1_000)[&4], 1_000, 0.2);
    }
}

#[test]
fn one_that_becomes_ready_warms_up_again() {
    let warmup = Warmup { duration: 10 * SECOND, minimum: Share::from_percent(10.0), aggression: 1.0 };
    let balancer = LoadBalancer { algorithm: Algorithm::RoundRobin, warmup: Some(warmup), locality: None };
    let settings = Settings { balancer: Arc::new(balancer), ..Settings::default() };
    let start = Instant::now();
    let mut members = endpoints(2);
    members[1].health = Health::Unhealthy;
    let backend = Backend::new(settings.clone(), members, start);
    let mut roller = Roller { worker: backend.worker(), dice: Dice::new(3), now: start + 20 * SECOND };
    backend.replace(settings.clone(), endpoints(2), roller.now);
    assert_eq!(roller.shares(1_100)[&1], 100);
    // Staying ready is nothing new.
    roller.now += 10 * SECOND;
    backend.replace(settings, endpoints(2), roller.now);
    assert_eq!(roller.shares(1_000), shares([(0, 500), (1, 500)]));
}

#[test]
fn passthrough_is_the_callers_to_choose() {
    let mut roller = Roller::new(balanced(Algorithm::Passthrough), endpoints(2));
    assert_eq!(roller.pick(&Criteria::default()).unwrap_err(), Refused::Passthrough);
    let picked = roller.worker.pick_named(&1, roller.now).unwrap();
    assert_eq!((*picked.key(), picked.selection(), picked.active()), (1, Selection::Named, 1));
    assert!(roller.worker.pick_named(&2, roller.now).is_none());
}

#[test]
fn a_request_that_was_told_of_is_active_until_it_ends() {
    let mut roller = Roller::new(Settings::default(), endpoints(1));
    let picked = roller.pick(&Criteria::default()).unwrap();
    picked.tell(Outcome::Status(500), roller.now);
    assert_eq!(roller.pick(&Criteria::default()).unwrap().active(), 2);
    drop(picked);
    assert_eq!(roller.pick(&Criteria::default()).unwrap().active(), 1);
}

#[test]
fn refusals_say_why() {
    let mut roller = Roller::new(Settings::default(), Vec::new());
    assert_eq!(roller.pick(&Criteria::default()).unwrap_err(), Refused::NoEndpoint);
    let mut members = endpoints(3);
    members[0].health = Health::Unhealthy;
    let mut roller = Roller::new(frail(Settings::default()), members);
    roller.eject(1);
    roller.eject(2);
    let expected = Refused::NoneUsable { endpoints: 3, unready: 1, ejected: 2, failing: 0 };
    assert_eq!(roller.pick(&Criteria::default()).unwrap_err(), expected);
}

#[test]
fn an_overflow_is_a_refusal() {
    let pool = ConnectionPool { max_requests: Some(0), ..ConnectionPool::default() };
    let mut roller = Roller::new(Settings { pool: Arc::new(pool), ..Settings::default() }, endpoints(1));
    let overflow = roller.worker.acquire(Resource::Request, roller.now).unwrap_err();
    assert_eq!(Refused::from(overflow), Refused::Overflow(Overflow { resource: Resource::Request, limit: 0 }));
    assert_eq!(Refused::from(overflow).to_string(), overflow.to_string());
}

#[test]
fn instants_before_the_beginning_are_the_beginning() {
    let early = Instant::now();
    let mut worker = Backend::new(Settings::default(), endpoints(2), early + 50 * SECOND).worker();
    assert!(*worker.pick(&Criteria::default(), 5, early).unwrap().key() < 2);
}

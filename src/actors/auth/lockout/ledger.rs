//! The count of one node, for as long as Redis is away: the rules of `lockout.lua`, in memory.
//! Lost with the process; bounded in size and time.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use moka::sync::Cache;
use uuid::Uuid;

use super::{Answer, Limits, Pair, Step};

/// Pairs that are remembered; the least used are forgotten first.
const PAIRS: u64 = 100_000;

#[derive(Debug, Clone, Copy)]
struct Entry {
    id: Uuid,
    began: DateTime<Utc>,
    open: bool,
}

#[derive(Debug, Default)]
struct Account {
    tries: Vec<Entry>,
    blocked_until: Option<DateTime<Utc>>,
}

/// Tries by pair. Cheap to clone.
#[derive(Clone)]
pub(super) struct Ledger {
    limits: Limits,
    pairs: Cache<Pair, Arc<Mutex<Account>>>,
}

impl Ledger {
    pub(super) fn new(limits: Limits) -> Self {
        let life = limits.window.max(limits.block) + limits.life;
        Self { limits, pairs: Cache::builder().max_capacity(PAIRS).time_to_idle(life).build() }
    }

    /// Takes one step of the try `id`.
    pub(super) fn step(&self, pair: Pair, id: Uuid, step: Step, now: DateTime<Utc>) -> Answer {
        let account = self.pairs.get_with(pair, Arc::default);
        let mut account = account.lock().unwrap_or_else(PoisonError::into_inner);
        account.age(&self.limits, now);
        match step {
            Step::Begin => account.begin(&self.limits, id, now),
            Step::Wrong => account.settle(&self.limits, id, now),
            Step::Right => {
                account.tries.retain(|entry| entry.open && entry.id != id);
                account.blocked_until = None;
                Answer::Left(self.limits.tries)
            }
            Step::Release => {
                account.tries.retain(|entry| entry.id != id);
                account.settle(&self.limits, id, now)
            }
        }
    }
}

impl Account {
    fn age(&mut self, limits: &Limits, now: DateTime<Utc>) {
        self.tries.retain(|entry| entry.began + delta(limits.window) > now);
        for entry in &mut self.tries {
            entry.open &= entry.began + delta(limits.life) > now;
        }
        self.blocked_until = self.blocked_until.filter(|end| *end > now);
    }

    fn begin(&mut self, limits: &Limits, id: Uuid, now: DateTime<Utc>) -> Answer {
        if let Some(end) = self.blocked_until {
            return Answer::Blocked((end - now).to_std().unwrap_or_default());
        }
        let left = self.left(limits, |_| true);
        if left > 0 {
            self.tries.push(Entry { id, began: now, open: true });
            return Answer::Left(left - 1);
        }
        if self.tries.iter().any(|entry| entry.open) {
            return Answer::Wait;
        }
        self.shut(limits, now);
        Answer::Blocked(limits.block)
    }

    fn settle(&mut self, limits: &Limits, id: Uuid, now: DateTime<Utc>) -> Answer {
        for entry in self.tries.iter_mut().filter(|entry| entry.id == id) {
            entry.open = false;
        }
        let left = self.left(limits, |entry| !entry.open);
        if left == 0 {
            self.shut(limits, now);
        }
        Answer::Left(left)
    }

    fn left(&self, limits: &Limits, counts: impl Fn(&Entry) -> bool) -> u32 {
        let used = self.tries.iter().filter(|entry| counts(entry)).count();
        limits.tries.saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))
    }

    fn shut(&mut self, limits: &Limits, now: DateTime<Utc>) {
        self.blocked_until = Some(now + delta(limits.block));
        self.tries.clear();
    }
}

fn delta(time: Duration) -> TimeDelta {
    TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bench {
        ledger: Ledger,
        pair: Pair,
        now: DateTime<Utc>,
    }

    fn bench() -> Bench {
        let seconds = Duration::from_secs;
        let limits =
            Limits { tries: 5, window: seconds(600), block: seconds(900), life: seconds(20), wait: seconds(10) };
        let pair = Pair::new([127, 0, 0, 1].into(), "Ann");
        Bench { ledger: Ledger::new(limits), pair, now: DateTime::from_timestamp(1_800_000_000, 0).unwrap() }
    }

    impl Bench {
        fn step(&self, id: Uuid, step: Step) -> Answer {
            self.ledger.step(self.pair, id, step, self.now)
        }

        fn wrong(&self) -> Answer {
            let id = Uuid::now_v7();
            match self.step(id, Step::Begin) {
                Answer::Left(_) => self.step(id, Step::Wrong),
                other => other,
            }
        }

        fn later(&mut self, seconds: i64) {
            self.now += TimeDelta::seconds(seconds);
        }
    }

    #[test]
    fn the_fifth_wrong_try_blocks_for_a_quarter_of_an_hour() {
        let mut bench = bench();
        for left in (0..5).rev() {
            assert_eq!(bench.wrong(), Answer::Left(left));
        }
        assert_eq!(bench.wrong(), Answer::Blocked(Duration::from_mins(15)));
        bench.later(899);
        assert_eq!(bench.wrong(), Answer::Blocked(Duration::from_secs(1)));
        bench.later(1);
        assert_eq!(bench.wrong(), Answer::Left(4));
    }

    #[test]
    fn tries_older_than_the_window_are_forgotten_and_a_right_one_clears() {
        let mut bench = bench();
        for _ in 0..4 {
            bench.wrong();
        }
        bench.later(600);
        assert_eq!(bench.wrong(), Answer::Left(4));
        let id = Uuid::now_v7();
        bench.step(id, Step::Begin);
        bench.step(id, Step::Right);
        assert_eq!(bench.wrong(), Answer::Left(4));
    }

    #[test]
    fn open_tries_hold_their_places_and_abandoned_ones_were_wrong() {
        let mut bench = bench();
        let ids: Vec<Uuid> = (0..5).map(|_| Uuid::now_v7()).collect();
        for id in &ids {
            assert!(matches!(bench.step(*id, Step::Begin), Answer::Left(_)));
        }
        assert_eq!(bench.wrong(), Answer::Wait);
        bench.step(ids[0], Step::Release);
        assert_eq!(bench.wrong(), Answer::Left(4));
        assert_eq!(bench.wrong(), Answer::Wait);
        bench.later(20);
        assert_eq!(bench.wrong(), Answer::Blocked(Duration::from_mins(15)));
    }

    #[test]
    fn one_pair_is_one_address_and_one_name_without_regard_to_case() {
        let pair = |address: &str, name: &str| Pair::new(address.parse().unwrap(), name);
        assert_eq!(pair("127.0.0.1", "Ann"), pair("::ffff:127.0.0.1", "aNN"));
        assert_ne!(pair("127.0.0.1", "ann"), pair("127.0.0.2", "ann"));
        assert_ne!(pair("127.0.0.1", "ann"), pair("127.0.0.1", "ben"));
    }
}

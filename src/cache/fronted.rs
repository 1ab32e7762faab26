//! A cache of this process with a small front for each thread. What all threads share has to be locked, counted and
//! put in order by use, and each of these writes takes memory away from the other cores; what a thread has read
//! itself just now it reads again for nothing.

use std::{
    borrow::Borrow,
    cell::RefCell,
    hash::{BuildHasher as _, Hash},
    sync::Arc,
    time::{Duration, Instant},
};

use foldhash::fast::RandomState;
use moka::sync::Cache as Moka;
use thread_local::ThreadLocal;

use super::place;

/// Values in a thread's front: of two whose keys fall on one slot it has one.
const SLOTS: usize = 256;
/// How long a front gives a value before the shared cache is asked again, which forgets what nobody asks it for. So
/// long a value may outlive its time there.
const FRESH: Duration = Duration::from_secs(1);

/// The cache. Cheap to clone.
pub struct Fronted<K: Send, V: Send> {
    shared: Moka<K, V, RandomState>,
    fronts: Arc<ThreadLocal<RefCell<Front<K, V>>>>,
    hasher: RandomState,
    copy: fn(&V) -> Option<V>,
}

struct Front<K, V>(Vec<Option<Slot<K, V>>>);

struct Slot<K, V> {
    key: K,
    value: V,
    until: Instant,
}

impl<K: Send, V: Send> Clone for Fronted<K, V> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            fronts: Arc::clone(&self.fronts),
            hasher: self.hasher.clone(),
            copy: self.copy,
        }
    }
}

impl<K, V> Fronted<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Fronts for `shared`. `copy` makes what a front keeps of a value, a copy that shares nothing with other threads;
    /// `None` for what is too large.
    pub fn new(shared: Moka<K, V, RandomState>, copy: fn(&V) -> Option<V>) -> Self {
        Self { shared, fronts: Arc::default(), hasher: RandomState::default(), copy }
    }

    /// The value of `key`, where it `holds`. For a second after it was replaced, the old one may be given: where it
    /// does not hold, the new one is.
    pub fn get<Q>(&self, key: &Q, holds: impl Fn(&V) -> bool) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        self.get_at(Instant::now(), key, holds)
    }

    fn get_at<Q>(&self, now: Instant, key: &Q, holds: impl Fn(&V) -> bool) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let mut front = self.fronts.get_or_default().borrow_mut();
        let slot = front.0.get_mut(self.place(key))?;
        let fresh = slot.as_ref().filter(|slot| now < slot.until);
        let own = fresh.filter(|slot| slot.key.borrow() == key);
        if let Some(Slot { value, .. }) = own.filter(|slot| holds(&slot.value)) {
            return Some(value.clone());
        }
        // Of two that are read all the time, one is given by the front, and the other displaces it once a second.
        let is_free = fresh.is_none() || own.is_some();
        let value = self.shared.get(key).filter(holds)?;
        if let Some(value) = is_free.then(|| (self.copy)(&value)).flatten() {
            *slot = Some(Slot { key: key.to_owned(), value, until: now + FRESH });
        }
        Some(value)
    }

    /// Whether there is a value of `key`. Does not count as reading it.
    pub fn has<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let front = self.fronts.get_or_default().borrow();
        let slot = front.0.get(self.place(key)).and_then(Option::as_ref);
        slot.is_some_and(|slot| slot.key.borrow() == key && Instant::now() < slot.until)
            || self.shared.contains_key(key)
    }

    fn place<Q: Hash + ?Sized>(&self, key: &Q) -> usize {
        place(self.hasher.hash_one(key), SLOTS)
    }

    /// Keeps `value` under `key`.
    pub fn insert(&self, key: K, value: V) {
        self.shared.insert(key, value);
    }
}

impl<K, V> Default for Front<K, V> {
    fn default() -> Self {
        Self(std::iter::repeat_with(|| None).take(SLOTS).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache() -> Fronted<String, u32> {
        let shared = Moka::builder().max_capacity(1_000).build_with_hasher(RandomState::default());
        Fronted::new(shared, |value| (*value < 100).then_some(*value))
    }

    #[test]
    fn a_thread_reads_again_what_it_has_read_until_it_is_a_second_old() {
        let (cache, now) = (cache(), Instant::now());
        let get = |at| cache.get_at(at, "a", |_| true);
        assert_eq!(get(now), None);
        cache.insert("a".to_owned(), 1);
        assert_eq!(get(now), Some(1));
        cache.insert("a".to_owned(), 2);
        let other = || std::thread::scope(|scope| scope.spawn(|| get(now)).join().unwrap());
        assert_eq!((other(), get(now + FRESH / 2)), (Some(2), Some(1)));
        assert_eq!(get(now + FRESH), Some(2));
    }

    #[test]
    fn what_does_not_hold_is_given_by_no_front() {
        let (cache, now) = (cache(), Instant::now());
        let is_two = |value: &u32| *value == 2;
        cache.insert("a".to_owned(), 1);
        assert_eq!(cache.get_at(now, "a", |_| true), Some(1));
        assert_eq!(cache.get_at(now, "a", is_two), None);
        cache.insert("a".to_owned(), 2);
        assert_eq!(cache.get_at(now, "a", is_two), Some(2));
        // Nor does the old one come back.
        assert_eq!(cache.get_at(now, "a", |_| true), Some(2));
    }

    #[test]
    fn fronts_keep_nothing_large() {
        let (cache, now) = (cache(), Instant::now());
        for value in [100, 101] {
            cache.insert("a".to_owned(), value);
            assert_eq!(cache.get_at(now, "a", |_| true), Some(value));
        }
    }

    #[test]
    fn of_two_on_one_slot_the_first_stays_for_a_second() {
        let (cache, now) = (cache(), Instant::now());
        let other =
            (0..100_000).map(|number: u32| number.to_string()).find(|key| cache.place(&**key) == cache.place("a"));
        let (first, second) = ("a", &*other.unwrap());
        let get = |key: &str, at| cache.get_at(at, key, |_| true).unwrap();
        let put = |value| [first, second].map(|key| cache.insert(key.to_owned(), value));
        put(1);
        assert_eq!((get(first, now), get(second, now)), (1, 1));
        put(2);
        assert_eq!((get(first, now), get(second, now)), (1, 2));
        let later = now + FRESH;
        assert_eq!((get(second, later), get(first, later)), (2, 2));
        put(3);
        assert_eq!((get(second, later), get(first, later)), (2, 3));
    }

    #[test]
    fn what_is_there_is_told_from_what_is_not() {
        let cache = cache();
        assert!(!cache.has("a"));
        cache.insert("a".to_owned(), 1);
        assert!(cache.has("a"));
        assert_eq!(cache.get("a", |_| true), Some(1));
        assert!(cache.has("a") && !cache.has("b"));
    }
}

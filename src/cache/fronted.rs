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

/// Values in a thread's front; of two whose keys fall on one slot, it has the last.
const SLOTS: usize = 256;
/// How long a front gives a value before the shared cache is asked again, which forgets what nobody asks it for.
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
    /// Fronts for `shared`. `copy` makes what a front keeps of a value: nothing that threads share, or `None` for what
    /// is too large.
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
        let place = usize::try_from(self.hasher.hash_one(key) >> 32).unwrap_or(0) % SLOTS;
        let mut front = self.fronts.get_or_default().borrow_mut();
        let slot = front.0.get_mut(place)?;
        if let Some(Slot { value, .. }) =
            slot.as_ref().filter(|slot| slot.key.borrow() == key && now < slot.until && holds(&slot.value))
        {
            return Some(value.clone());
        }
        let value = self.shared.get(key).filter(holds)?;
        if let Some(value) = (self.copy)(&value) {
            *slot = Some(Slot { key: key.to_owned(), value, until: now + FRESH });
        }
        Some(value)
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
        assert_eq!(get(now + FRESH / 2), Some(1));
        assert_eq!(get(now + FRESH), Some(2));
        assert_eq!(std::thread::scope(|scope| scope.spawn(|| get(now)).join().unwrap()), Some(2));
    }

    #[test]
    fn what_does_not_hold_is_given_by_no_front() {
        let (cache, now) = (cache(), Instant::now());
        cache.insert("a".to_owned(), 1);
        assert_eq!(cache.get_at(now, "a", |_| true), Some(1));
        assert_eq!(cache.get_at(now, "a", |value| *value == 2), None);
        cache.insert("a".to_owned(), 2);
        assert_eq!(cache.get_at(now, "a", |value| *value == 2), Some(2));
    }

    #[test]
    fn fronts_keep_nothing_large_and_forget_one_of_two_on_a_slot() {
        let (cache, now) = (cache(), Instant::now());
        cache.insert("a".to_owned(), 100);
        assert_eq!(cache.get_at(now, "a", |_| true), Some(100));
        cache.insert("a".to_owned(), 101);
        assert_eq!(cache.get_at(now, "a", |_| true), Some(101));
        for number in 0..2_000 {
            cache.insert(number.to_string(), 3);
            assert_eq!(cache.get_at(now, &*number.to_string(), |_| true), Some(3));
        }
        assert!(cache.fronts.get().unwrap().borrow().0.iter().flatten().count() <= SLOTS);
    }
}

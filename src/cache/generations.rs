//! Where each scope is at, in this process: counters that only grow.

use std::{
    hash::BuildHasher as _,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use foldhash::fast::RandomState;
use uuid::Uuid;

use super::place;
use crate::domain::ids::UserId;

/// Rows share this many counters; two rows on one counter only cost a needless reload.
const ROW_COUNTERS: usize = 16_384;

/// A kind of row that answers depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Genres,
    Series,
    Seasons,
    Episodes,
    Files,
    Accounts,
    Installation,
    Videos,
    Streams,
    /// By the account that keeps them.
    Collections,
    Casting,
}

impl Kind {
    const ALL: [Self; 11] = [
        Self::Genres,
        Self::Series,
        Self::Seasons,
        Self::Episodes,
        Self::Files,
        Self::Accounts,
        Self::Installation,
        Self::Videos,
        Self::Streams,
        Self::Collections,
        Self::Casting,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Genres => "genres",
            Self::Series => "series",
            Self::Seasons => "seasons",
            Self::Episodes => "episodes",
            Self::Files => "files",
            Self::Accounts => "accounts",
            Self::Installation => "installation",
            Self::Videos => "videos",
            Self::Streams => "streams",
            Self::Collections => "collections",
            Self::Casting => "casting",
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::Genres => 0,
            Self::Series => 1,
            Self::Seasons => 2,
            Self::Episodes => 3,
            Self::Files => 4,
            Self::Accounts => 5,
            Self::Installation => 6,
            Self::Videos => 7,
            Self::Streams => 8,
            Self::Collections => 9,
            Self::Casting => 10,
        }
    }
}

/// Something an answer depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// One row. Moves on when the row changes.
    Row(Kind, Uuid),
    /// All rows of a kind, one by one. Moves on when many change at once (a cascade).
    Rows(Kind),
    /// Every list and total over a kind. Moves on whenever any row of the kind changes.
    List(Kind),
}

impl Scope {
    /// The state of an account that its tokens depend on.
    #[must_use]
    pub const fn account(id: UserId) -> Self {
        Self::Row(Kind::Accounts, id.uuid())
    }

    /// All rows of a kind and every list of them: what a cascade, or a change of many, moves.
    #[must_use]
    pub const fn every(kind: Kind) -> [Self; 2] {
        [Self::Rows(kind), Self::List(kind)]
    }

    /// The name in Redis and on the channel.
    pub(super) fn name(self) -> String {
        match self {
            Self::Row(kind, id) => format!("{}/{id}", kind.name()),
            Self::Rows(kind) => format!("{}/*", kind.name()),
            Self::List(kind) => kind.name().to_owned(),
        }
    }

    /// The scope of this name.
    pub(super) fn parse(name: &str) -> Option<Self> {
        let (kind, rest) = name.split_once('/').map_or((name, None), |(kind, rest)| (kind, Some(rest)));
        let kind = Kind::ALL.into_iter().find(|known| known.name() == kind)?;
        match rest {
            None => Some(Self::List(kind)),
            Some("*") => Some(Self::Rows(kind)),
            Some(id) => Uuid::parse_str(id).ok().map(|id| Self::Row(kind, id)),
        }
    }
}

/// Where a set of scopes is at. Equal stamps of one set mean: nothing has moved in between; of two, the greater is
/// the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(u64);

pub(super) struct Generations {
    /// Moves on when everything must be forgotten.
    all: AtomicU64,
    hearing: AtomicBool,
    kinds: [[AtomicU64; 2]; Kind::ALL.len()],
    rows: Vec<AtomicU64>,
    hasher: RandomState,
}

impl Generations {
    pub(super) fn new() -> Self {
        Self {
            all: AtomicU64::new(0),
            hearing: AtomicBool::new(false),
            kinds: std::array::from_fn(|_| [AtomicU64::new(0), AtomicU64::new(0)]),
            rows: std::iter::repeat_with(|| AtomicU64::new(0)).take(ROW_COUNTERS).collect(),
            hasher: RandomState::default(),
        }
    }

    /// The counters only grow, so equal sums mean equal counters.
    pub(super) fn stamp(&self, scopes: &[Scope]) -> Option<Stamp> {
        if !self.hearing.load(Ordering::SeqCst) {
            return None;
        }
        let own: u64 =
            scopes.iter().filter_map(|scope| self.counter(*scope)).map(|counter| counter.load(Ordering::SeqCst)).sum();
        Some(Stamp(own.wrapping_add(self.all.load(Ordering::SeqCst))))
    }

    pub(super) fn bump(&self, scopes: &[Scope]) {
        for counter in scopes.iter().filter_map(|scope| self.counter(*scope)) {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Everything kept so far is void; from now on the other nodes are heard, or not.
    pub(super) fn forget_all(&self, hearing: Hearing) {
        self.all.fetch_add(1, Ordering::SeqCst);
        self.hearing.store(hearing == Hearing::Others, Ordering::SeqCst);
    }

    fn counter(&self, scope: Scope) -> Option<&AtomicU64> {
        match scope {
            Scope::Row(kind, id) => self.rows.get(place(self.hasher.hash_one((kind, id)), ROW_COUNTERS)),
            Scope::Rows(kind) => self.kinds.get(kind.index())?.first(),
            Scope::List(kind) => self.kinds.get(kind.index())?.last(),
        }
    }
}

/// Whether this node hears of the others' writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hearing {
    Others,
    Nobody,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_have_names_that_parse_back() {
        for kind in Kind::ALL {
            for scope in [Scope::Row(kind, Uuid::now_v7()), Scope::Rows(kind), Scope::List(kind)] {
                assert_eq!(Scope::parse(&scope.name()), Some(scope));
            }
        }
        assert_eq!(Scope::parse("nothing"), None);
        assert_eq!(Scope::parse("series/not-an-id"), None);
    }

    #[test]
    fn a_stamp_changes_with_each_scope_and_with_hearing() {
        let generations = Generations::new();
        let scopes = [Scope::Row(Kind::Series, Uuid::now_v7()), Scope::List(Kind::Series)];
        assert_eq!(generations.stamp(&scopes), None);
        generations.forget_all(Hearing::Others);
        let mut last = generations.stamp(&scopes).unwrap();
        for scope in scopes {
            generations.bump(&[scope]);
            let now = generations.stamp(&scopes).unwrap();
            assert_ne!(now, last);
            last = now;
        }
        generations.bump(&[Scope::List(Kind::Genres)]);
        assert_eq!(generations.stamp(&scopes), Some(last));
        generations.forget_all(Hearing::Nobody);
        assert_eq!(generations.stamp(&scopes), None);
        generations.forget_all(Hearing::Others);
        assert_ne!(generations.stamp(&scopes), Some(last));
    }
}

//! What an account's tokens are compared with at every request: its epoch, its roles and the
//! sign-ins that live. Kept in memory for as long as no node has changed the account.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use foldhash::fast::RandomState;
use moka::sync::Cache as Moka;

use super::{
    clock::Clock,
    error::{AuthError, TokenError},
};
use crate::{
    cache::{Cache, Fronted, Scope, Stamp},
    db::{
        Db, DbError,
        queries::{families::FamilyRow, users},
        rows::user::roles_from,
    },
    domain::{
        access::Permissions,
        ids::{FamilyId, UserId},
    },
};

/// Accounts that are kept.
const ACCOUNTS: u64 = 10_000;
/// Nodes' clocks may differ by this much; a sign-in that is older than what we read by more than
/// that must be in it.
const CLOCKS: TimeDelta = TimeDelta::seconds(10);

/// An account as tokens see it.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) epoch: i32,
    pub(super) permissions: Permissions,
    /// The account is shut: it takes no token of any kind.
    pub(super) disabled: bool,
    /// Tokens of another issuer that were made before this have ended.
    pub(super) valid_from: Option<DateTime<Utc>>,
    families: Vec<FamilyRow>,
    read_at: DateTime<Utc>,
}

/// What a token says of the account it was made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bond {
    /// The account.
    pub(super) account: UserId,
    /// Its epoch when the token was made.
    pub(super) epoch: i32,
    /// The sign-in it follows from.
    pub(super) family: Option<FamilyId>,
}

/// How a token stands.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    Ended,
    /// The token may be newer than what we know.
    ReadAgain,
}

impl Standing {
    fn judge(&self, bond: Bond, now: DateTime<Utc>) -> Verdict {
        if self.disabled {
            return Verdict::Ended;
        }
        if bond.epoch < self.epoch {
            return Verdict::Ended;
        }
        if bond.epoch > self.epoch {
            return Verdict::ReadAgain;
        }
        let Some(family) = bond.family else { return Verdict::Good };
        match self.families.iter().find(|known| known.id == family.uuid()) {
            Some(known) if known.expires_at > now => Verdict::Good,
            None if began(family).is_some_and(|began| began + CLOCKS < self.read_at) => Verdict::Ended,
            // It may be new, and a refresh may have moved the end of one that is known.
            Some(_) | None => Verdict::ReadAgain,
        }
    }
}

/// When a sign-in was, as its id (a `UUIDv7`) says.
fn began(family: FamilyId) -> Option<DateTime<Utc>> {
    let (seconds, nanos) = family.uuid().get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}

/// The standings of accounts. Cheap to clone.
#[derive(Clone)]
pub(super) struct Standings {
    db: Db,
    cache: Cache,
    clock: Clock,
    kept: Fronted<UserId, (Stamp, Arc<Standing>)>,
}

impl Standings {
    pub(super) fn new(db: Db, cache: Cache, clock: Clock, life: Duration) -> Self {
        let kept = Moka::builder().max_capacity(ACCOUNTS).time_to_live(life);
        let kept = Fronted::new(
            kept.build_with_hasher(RandomState::default()),
            |(stamp, standing): &(Stamp, Arc<Standing>)| Some((*stamp, Arc::new(Standing::clone(standing)))),
        );
        Self { db, cache, clock, kept }
    }

    /// The account of a verified token, if it still takes the token.
    pub(super) async fn of(&self, bond: Bond) -> Result<Arc<Standing>, AuthError> {
        let now = self.clock.now();
        let stamp = self.cache.stamp(&[Scope::account(bond.account)]);
        // A thread may have an older one in front than another has read since, for a newer token.
        let known = stamp.and_then(|stamp| {
            self.kept.get(&bond.account, |(kept_at, standing)| {
                *kept_at == stamp && standing.judge(bond, now) != Verdict::ReadAgain
            })
        });
        let standing = match known {
            Some((_, standing)) => standing,
            None => self.read(bond.account, stamp).await?.ok_or(TokenError::Ended)?,
        };
        match standing.judge(bond, now) {
            Verdict::Good => Ok(standing),
            Verdict::Ended | Verdict::ReadAgain => Err(TokenError::Ended.into()),
        }
    }

    /// The account of who brings what is bound to no epoch and no sign-in here; none where it is gone. Whether it
    /// is open has to be looked at.
    pub(super) async fn of_account(&self, account: UserId) -> Result<Option<Arc<Standing>>, AuthError> {
        let stamp = self.cache.stamp(&[Scope::account(account)]);
        match stamp.and_then(|stamp| self.kept.get(&account, |(kept_at, _)| *kept_at == stamp)) {
            Some((_, standing)) => Ok(Some(standing)),
            None => self.read(account, stamp).await,
        }
    }

    /// Reads the account; keeps it where `stamp`, taken before, allows.
    async fn read(&self, id: UserId, stamp: Option<Stamp>) -> Result<Option<Arc<Standing>>, AuthError> {
        let read_at = self.clock.now();
        let row = self.db.run(move |conn| users::standing(conn, id).map_err(DbError::from)).await;
        let Some(row) = row.map_err(AuthError::from)? else { return Ok(None) };
        let standing = Arc::new(Standing {
            epoch: row.epoch,
            permissions: Permissions::of_roles(&roles_from(&row.roles)?),
            disabled: row.disabled_at.is_some(),
            valid_from: row.valid_from,
            families: row.families,
            read_at,
        });
        if let Some(stamp) = stamp {
            self.kept.insert(id, (stamp, Arc::clone(&standing)));
        }
        Ok(Some(standing))
    }
}

#[cfg(test)]
mod tests {
    use uuid::{NoContext, Timestamp, Uuid};

    use super::*;
    use crate::domain::access::Role;

    const NOW: i64 = 1_800_000_000;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn family(began: i64) -> FamilyId {
        Uuid::new_v7(Timestamp::from_unix(NoContext, u64::try_from(began).unwrap(), 0)).into()
    }

    fn standing(families: &[(FamilyId, i64)]) -> Standing {
        Standing {
            epoch: 2,
            permissions: Permissions::of_roles(&[Role::Viewer]),
            disabled: false,
            valid_from: None,
            families: families.iter().map(|(id, end)| FamilyRow { id: id.uuid(), expires_at: at(*end) }).collect(),
            read_at: at(NOW),
        }
    }

    fn bond(epoch: i32, family: FamilyId) -> Bond {
        Bond { account: UserId::new(), epoch, family: Some(family) }
    }

    #[test]
    fn old_epochs_and_ended_families_end_a_token_without_a_question_to_the_store() {
        let (live, over, gone) = (family(NOW - 100), family(NOW - 100), family(NOW - 100));
        let standing = standing(&[(live, NOW + 50), (over, NOW)]);
        let judge = |epoch, family| standing.judge(bond(epoch, family), at(NOW));
        assert_eq!(judge(2, live), Verdict::Good);
        assert_eq!(judge(1, live), Verdict::Ended);
        assert_eq!(judge(2, over), Verdict::ReadAgain);
        assert_eq!(judge(2, gone), Verdict::Ended);
    }

    #[test]
    fn a_disabled_account_takes_no_token_whatever_it_is_made_of() {
        let live = family(NOW - 100);
        let standing = Standing { disabled: true, ..standing(&[(live, NOW + 50)]) };
        for family in [Some(live), None] {
            for epoch in [2, 3] {
                let bond = Bond { account: UserId::new(), epoch, family };
                assert_eq!(standing.judge(bond, at(NOW)), Verdict::Ended);
            }
        }
    }

    #[test]
    fn a_token_that_may_be_newer_than_what_is_kept_asks_again() {
        let fresh = family(NOW - 1);
        let standing = standing(&[]);
        assert_eq!(standing.judge(bond(2, fresh), at(NOW)), Verdict::ReadAgain);
        assert_eq!(standing.judge(bond(3, fresh), at(NOW)), Verdict::ReadAgain);
    }
}

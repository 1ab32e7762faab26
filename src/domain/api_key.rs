//! API keys: secrets of programs that act for an account.

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    access::Permission,
    ids::{ApiKeyId, UserId},
    text::Name,
};

/// Ten years, of 365 days each.
const LONGEST_LIFE: u32 = 10 * 365 * 24 * 60 * 60;

/// A key as it may be seen: without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ApiKey {
    pub id: ApiKeyId,
    /// Whose it is.
    pub user_id: UserId,
    pub name: String,
    /// What it was made for, each once, in the order of the contract; never more than its account may.
    pub permissions: Vec<Permission>,
    pub created_at: DateTime<Utc>,
    /// None: it holds until it is revoked.
    pub expires_at: Option<DateTime<Utc>>,
    /// None: it was never used.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// What its account calls it; need not be unique.
    pub name: Name,
    /// What it is for.
    pub permissions: Vec<Permission>,
    /// How long it holds; none: until it is revoked.
    pub expires_in: Option<KeyLife>,
}

/// How long a key holds: 1 second to ten years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyLife(u32);

impl KeyLife {
    /// Fewest and most seconds.
    pub const BOUNDS: (u32, u32) = (1, LONGEST_LIFE);

    /// Takes whole seconds within the bounds.
    #[must_use]
    pub fn parse(seconds: u64) -> Option<Self> {
        let (shortest, longest) = Self::BOUNDS;
        u32::try_from(seconds).ok().filter(|seconds| (shortest..=longest).contains(seconds)).map(Self)
    }

    /// When a key that is made at `start` ends.
    #[must_use]
    pub fn end(self, start: DateTime<Utc>) -> DateTime<Utc> {
        start + TimeDelta::seconds(self.0.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_holds_for_a_second_at_least_and_ten_years_at_most() {
        assert_eq!(
            [0, 1, 315_360_000, 315_360_001].map(|seconds| KeyLife::parse(seconds).is_some()),
            [false, true, true, false]
        );
        let start = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        assert_eq!(KeyLife::parse(90).unwrap().end(start).timestamp(), 1_800_000_090);
    }
}

//! Video sharing: channels, their videos, and what people think of them.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Datelike as _, Months, NaiveDate, Utc};
use rand::RngExt as _;
use uuid::Uuid;

use super::text::{Description, Invalid, Title};

/// What names a video in paths: 7 characters of `a`–`z` and `0`–`9`, drawn by a cryptographic
/// generator, so that none can be guessed from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HashPath(String);

impl HashPath {
    /// Characters.
    pub const LENGTH: usize = 7;
    const ALPHABET: [char; 36] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v',
        'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
    ];

    /// A new one. Whether it is free, the database decides.
    #[must_use]
    pub fn random() -> Self {
        // ChaCha, seeded by the operating system.
        let mut generator = rand::rng();
        let character = |_| Self::ALPHABET.get(generator.random_range(..Self::ALPHABET.len())).copied();
        Self((0..Self::LENGTH).filter_map(character).collect())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text as an id, under which caches know the video.
    #[must_use]
    pub fn scope(&self) -> Uuid {
        Uuid::from_u128(self.0.bytes().fold(0, |id, byte| id << 8 | u128::from(byte)))
    }
}

impl FromStr for HashPath {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let holds = text.len() == Self::LENGTH && text.chars().all(|c| Self::ALPHABET.contains(&c));
        if holds { Ok(Self(text.to_owned())) } else { Err(Invalid("must be 7 characters of a-z and 0-9".to_owned())) }
    }
}

impl fmt::Display for HashPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A video before its bytes have come.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NewVideo {
    pub title: Title,
    pub description: Description,
}

/// What changes of a video; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct VideoChange {
    pub title: Option<Title>,
    pub description: Option<Description>,
}

/// A video that has been uploaded, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Video {
    pub hash: String,
    pub channel: String,
    pub title: String,
    pub description: String,
    pub uploaded_at: DateTime<Utc>,
}

/// A channel, as searches show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// The username of its account.
    pub name: String,
    /// The hash path of the newest video, where there is one.
    pub newest: Option<String>,
    /// Videos that have been uploaded.
    pub videos: u32,
}

/// What a search finds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Found {
    Video(Video),
    Channel(Channel),
}

/// What an account thinks of a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Reaction {
    Like,
    Dislike,
}

impl Reaction {
    /// The name on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Like => "like",
            Self::Dislike => "dislike",
        }
    }
}

/// How many like and dislike a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Reactions {
    pub likes: u32,
    pub dislikes: u32,
}

/// One page of a list that has no total.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// From 1.
    pub page: u32,
    /// Entries of a page.
    pub limit: u32,
}

impl Window {
    /// Entries before the page.
    #[must_use]
    pub fn offset(self) -> i64 {
        i64::from(self.page.saturating_sub(1)).saturating_mul(self.limit.into())
    }
}

/// The day on which a person was born: a real one, not in the future, at most 130 years ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BirthDate(NaiveDate);

/// The part of a date that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum DatePart {
    Day,
    Month,
    Year,
}

impl BirthDate {
    const OLDEST_YEARS: i32 = 130;

    /// Checks the day as it is told.
    ///
    /// # Errors
    /// The part that is wrong; the day where no part is wrong by itself.
    pub fn parse(year: i64, month: i64, day: i64, today: NaiveDate) -> Result<Self, DatePart> {
        let year = i32::try_from(year)
            .ok()
            .filter(|year| (today.year() - Self::OLDEST_YEARS..=today.year()).contains(year))
            .ok_or(DatePart::Year)?;
        let month = u32::try_from(month).ok().filter(|month| (1..=12).contains(month)).ok_or(DatePart::Month)?;
        let date = u32::try_from(day).ok().and_then(|day| NaiveDate::from_ymd_opt(year, month, day));
        let date = date.ok_or(DatePart::Day)?;
        // On a 29 February whose year of birth had none: the 28th.
        let oldest = today.checked_sub_months(Months::new(12 * Self::OLDEST_YEARS.unsigned_abs()));
        if date > today || oldest.is_none_or(|oldest| date < oldest) { Err(DatePart::Year) } else { Ok(Self(date)) }
    }

    /// The day.
    #[must_use]
    pub const fn date(self) -> NaiveDate {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn hash_paths_are_random_and_have_a_form() {
        let paths: HashSet<String> = (0..1000).map(|_| HashPath::random().to_string()).collect();
        assert_eq!(paths.len(), 1000);
        assert!(paths.iter().all(|path| path.parse::<HashPath>().is_ok()));
        let used: HashSet<char> = paths.iter().flat_map(|path| path.chars()).collect();
        assert_eq!(used.len(), 36, "every character is drawn");
        for wrong in ["", "abcdef", "abcdefgh", "ABCDEFG", "abc-efg", "abcdeé", "abc\0efg"] {
            assert!(wrong.parse::<HashPath>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn hash_paths_have_scopes_of_their_own() {
        let scopes: HashSet<Uuid> = (0..1000).map(|_| HashPath::random().scope()).collect();
        assert_eq!(scopes.len(), 1000);
    }

    #[test]
    fn a_birth_date_is_a_real_day_of_the_last_130_years() {
        let today = NaiveDate::from_ymd_opt(2026, 11, 21).unwrap();
        let parse = |year, month, day| BirthDate::parse(year, month, day, today).map(BirthDate::date);
        assert_eq!(parse(2000, 2, 29), Ok(NaiveDate::from_ymd_opt(2000, 2, 29).unwrap()));
        assert_eq!(parse(2026, 11, 21).map(|_| ()), Ok(()));
        assert_eq!(parse(1896, 11, 21).map(|_| ()), Ok(()));
        for (year, month, day, wrong) in [
            (1999, 2, 29, DatePart::Day),
            (2000, 4, 31, DatePart::Day),
            (2000, 1, 0, DatePart::Day),
            (2000, 1, -1, DatePart::Day),
            (2000, 13, 1, DatePart::Month),
            (2000, 0, 1, DatePart::Month),
            (2026, 11, 22, DatePart::Year),
            (2027, 1, 1, DatePart::Year),
            (1896, 11, 20, DatePart::Year),
            (1895, 1, 1, DatePart::Year),
            (i64::MAX, 1, 1, DatePart::Year),
        ] {
            assert_eq!(parse(year, month, day), Err(wrong), "{year}-{month}-{day}");
        }
        // A year whose counterpart has no 29 February.
        let leap = NaiveDate::from_ymd_opt(2028, 2, 29).unwrap();
        assert!(BirthDate::parse(1990, 1, 1, leap).is_ok());
    }
}

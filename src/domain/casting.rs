//! A casting agency: its actors, its movies, and who plays in which. `New…` is what a creation brings; `…Change`
//! what an update brings, `None` leaving a field alone and `Some(None)` clearing it.

use std::{collections::BTreeSet, fmt, str::FromStr};

use chrono::{Datelike as _, NaiveDate};

use super::{
    ids::{FileId, ProviderMovieId},
    text::{ActorName, LongTitle},
};

/// The text is no id: not a whole number from 1 to 2147483647 in its one spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no id")]
pub struct NoId;

macro_rules! integer_ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(i32);

        impl $name {
            /// The id of this number; `None` below 1.
            #[must_use]
            pub const fn new(number: i32) -> Option<Self> {
                if number > 0 { Some(Self(number)) } else { None }
            }

            /// An id as the database gave it.
            #[must_use]
            pub const fn stored(number: i32) -> Self {
                Self(number)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> i32 {
                self.0
            }
        }

        impl FromStr for $name {
            type Err = NoId;

            /// Takes digits without a leading zero or sign: one id has one spelling.
            fn from_str(text: &str) -> Result<Self, NoId> {
                let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
                digits.then(|| text.parse().ok()).flatten().and_then(Self::new).ok_or(NoId)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

integer_ids! {
    /// An actor.
    ActorId;
    /// A movie.
    MovieId;
}

/// The most movies of an actor, and actors of a movie.
pub const MOST_ROLES: usize = 1000;

/// An age in years.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Age(i32);

impl Age {
    /// Least and most.
    pub const RANGE: (i32, i32) = (0, 150);

    /// Takes an age within the range.
    #[must_use]
    pub const fn new(years: i32) -> Option<Self> {
        if years >= Self::RANGE.0 && years <= Self::RANGE.1 { Some(Self(years)) } else { None }
    }

    /// In years.
    #[must_use]
    pub const fn get(self) -> i32 {
        self.0
    }
}

/// A gender, as the contract knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Gender {
    Male,
    Female,
}

impl Gender {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Male, Self::Female];

    /// The word on the wire and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Male => "M",
            Self::Female => "F",
        }
    }

    /// The gender of this word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|gender| gender.name() == word)
    }
}

/// The day on which a movie comes out: a real one, of the years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseDate(NaiveDate);

impl ReleaseDate {
    /// How it is written: eight digits.
    pub const FORM: &'static str = "%Y%m%d";

    /// Reads `YYYYMMDD`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit());
        let day = digits.then(|| NaiveDate::parse_from_str(text, Self::FORM).ok()).flatten();
        day.filter(|day| day.year() > 0).map(Self)
    }

    /// The day.
    #[must_use]
    pub const fn date(self) -> NaiveDate {
        self.0
    }
}

/// An actor.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Actor {
    pub id: ActorId,
    pub name: String,
    pub age: i32,
    /// `M` or `F`.
    pub gender: String,
    /// In order.
    pub movies_id: Vec<MovieId>,
}

/// A new actor; may be in no movie.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NewActor {
    pub name: ActorName,
    pub age: Age,
    pub gender: Gender,
    pub movies_id: BTreeSet<MovieId>,
}

/// A changed actor; `movies_id` replaces the movies that he or she was in.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ActorChange {
    pub name: Option<ActorName>,
    pub age: Option<Age>,
    pub gender: Option<Gender>,
    pub movies_id: Option<BTreeSet<MovieId>>,
}

/// A movie; never without an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Movie {
    pub id: MovieId,
    pub title: String,
    pub date_release: NaiveDate,
    /// In order.
    pub actors_id: Vec<ActorId>,
    /// The film in the player.
    pub file_id: Option<FileId>,
    /// The film in collections, whether one holds it or not.
    pub uuid: Option<ProviderMovieId>,
}

/// A new movie.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NewMovie {
    pub title: LongTitle,
    pub date_release: ReleaseDate,
    pub actors_id: BTreeSet<ActorId>,
    pub file_id: Option<FileId>,
    pub uuid: Option<ProviderMovieId>,
}

/// A changed movie; `actors_id`, which is always given, replaces the actors that it had.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub struct MovieChange {
    pub title: Option<LongTitle>,
    pub date_release: Option<ReleaseDate>,
    pub actors_id: BTreeSet<ActorId>,
    pub file_id: Option<Option<FileId>>,
    pub uuid: Option<Option<ProviderMovieId>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        assert_eq!("1".parse(), Ok(ActorId(1)));
        assert_eq!("2147483647".parse(), Ok(MovieId(i32::MAX)));
        for wrong in ["", "0", "-1", "+1", "01", " 1", "1.0", "1e0", "x", "2147483648", "99999999999999999999", "١"] {
            assert_eq!(wrong.parse::<ActorId>(), Err(NoId), "{wrong:?}");
        }
    }

    #[test]
    fn a_release_is_a_real_day() {
        for right in ["20200330", "20000229", "00010101", "99991231"] {
            let date = ReleaseDate::parse(right).unwrap().date();
            assert_eq!(date.format(ReleaseDate::FORM).to_string(), right);
        }
        for wrong in [
            "",
            "20200231",
            "19000229",
            "20201301",
            "20200100",
            "00000101",
            "2020033",
            "202003300",
            "2020-3-1",
            "+2020330",
            "2020033x",
            "２０２０",
            " 2020330",
        ] {
            assert_eq!(ReleaseDate::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn ages_and_genders_have_their_bounds() {
        assert_eq!([-1, 0, 150, 151].map(|years| Age::new(years).is_some()), [false, true, true, false]);
        assert_eq!(
            ["M", "F", "X", "m", ""].map(|word| Gender::parse(word).is_some()),
            [true, true, false, false, false]
        );
    }
}

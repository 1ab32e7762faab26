//! Statistics: the lengths of time that views are summed up over, the windows that lists of the most
//! viewed look through, and the numbers that come of it. Source of the rules: the playback contract
//! (docs/API.md, "Statistics").

use chrono::NaiveDate;

/// Days that are told of a title, today among them.
pub const TOLD_DAYS: i64 = 30;
/// Entries that a list of the most viewed has at most.
pub const LONGEST_TOP: u32 = 100;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A length of time that views are summed up over, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grain {
    /// For ever: since 1970.
    All,
    /// A day.
    Day,
    /// An hour.
    Hour,
    /// A minute.
    Minute,
}

impl Grain {
    /// All grains.
    pub const ALL: [Self; 4] = [Self::All, Self::Day, Self::Hour, Self::Minute];

    /// The name in Redis and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Minute => "minute",
        }
    }

    /// The grain of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grain| grain.name() == name)
    }

    /// Its length in seconds; `None` is for ever.
    #[must_use]
    pub const fn seconds(self) -> Option<i64> {
        match self {
            Self::All => None,
            Self::Day => Some(DAY),
            Self::Hour => Some(HOUR),
            Self::Minute => Some(MINUTE),
        }
    }

    /// How long after its begin a sum is of use to any list, in seconds; `None` is for ever. Somewhat more
    /// than the longest window, because clocks of nodes differ.
    #[must_use]
    pub const fn useful_seconds(self) -> Option<i64> {
        match self {
            Self::All => None,
            Self::Day => Some(32 * DAY),
            Self::Hour => Some(26 * HOUR),
            Self::Minute => Some(2 * HOUR),
        }
    }

    /// When the one that holds `at` began; both in seconds since 1970.
    #[must_use]
    pub const fn begin(self, at: i64) -> i64 {
        match self.seconds() {
            Some(length) => at - at.rem_euclid(length),
            None => 0,
        }
    }

    /// When the last `count` of them began, the one that holds `now` first.
    pub fn latest(self, now: i64, count: i64) -> impl Iterator<Item = i64> {
        let (begin, length) = (self.begin(now), self.seconds().unwrap_or(0));
        (0..count).map(move |back| begin - back * length)
    }
}

/// How far back a list of the most viewed looks. The last piece of each is the one of now, so an hour
/// is 59 to 60 minutes, and seven days are six to seven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Window {
    Hour,
    Day,
    Week,
    Month,
    All,
}

impl Window {
    /// All windows.
    pub const ALL: [Self; 5] = [Self::Hour, Self::Day, Self::Week, Self::Month, Self::All];

    /// The name in queries and in Redis.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hour => "1h",
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
            Self::All => "all",
        }
    }

    /// The window of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|window| window.name() == name)
    }

    /// What it is made of, and of how many.
    #[must_use]
    pub const fn pieces(self) -> (Grain, i64) {
        match self {
            Self::Hour => (Grain::Minute, 60),
            Self::Day => (Grain::Hour, 24),
            Self::Week => (Grain::Day, 7),
            Self::Month => (Grain::Day, 30),
            Self::All => (Grain::All, 1),
        }
    }

    /// How long a list is used before it is made anew, in seconds: the longer the window, the more it costs
    /// to make, and the less a second changes it.
    #[must_use]
    pub const fn kept_seconds(self) -> i64 {
        match self {
            Self::Hour | Self::All => 2,
            Self::Day => 3,
            Self::Week => 5,
            Self::Month => 15,
        }
    }
}

/// What is known of a title.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct TitleStatistics {
    pub views: u64,
    /// Accounts that viewed it, and plays of nobody; within 1%.
    pub unique_viewers: u64,
    pub watched_ms: u64,
    /// Who views it now.
    pub viewers: u64,
    /// The last [`TOLD_DAYS`] days (UTC), the oldest first.
    pub days: Vec<(NaiveDate, u64)>,
}

/// A title and its views within a window.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Viewed {
    pub title: String,
    pub views: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_back() {
        for grain in Grain::ALL {
            assert_eq!(Grain::parse(grain.name()), Some(grain));
        }
        for window in Window::ALL {
            assert_eq!(Window::parse(window.name()), Some(window));
        }
        assert_eq!((Grain::parse("week"), Window::parse("2h")), (None, None));
    }

    #[test]
    fn a_moment_lies_in_one_piece_of_each_grain_also_before_1970() {
        assert_eq!(Grain::Minute.begin(119), 60);
        assert_eq!(Grain::Hour.begin(7199), 3600);
        assert_eq!(Grain::Day.begin(86_400), 86_400);
        assert_eq!(Grain::Day.begin(-1), -86_400);
        assert_eq!(Grain::All.begin(1_000_000), 0);
        assert_eq!(Grain::Minute.latest(125, 3).collect::<Vec<_>>(), [120, 60, 0]);
        assert_eq!(Grain::All.latest(125, 1).collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn nothing_is_forgotten_while_a_window_looks_at_it() {
        for window in Window::ALL {
            let (grain, count) = window.pieces();
            let looked = grain.seconds().map_or(0, |length| length * count);
            assert!(grain.useful_seconds().is_none_or(|useful| useful > looked), "{window:?}");
        }
        assert!(Grain::Day.useful_seconds().is_some_and(|useful| useful > TOLD_DAYS * DAY));
    }
}

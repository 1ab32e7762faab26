//! What a live session knows, and how a heartbeat changes it. No store is asked here.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::steady;
use crate::domain::{
    catalog::Seconds,
    ids::{StreamId, UserId},
    playback::{Beat, LONGEST_SILENCE, PlayState, Progress, Rate, Stream, Title, View, Viewed, ViewedBy, Watch},
};

/// Silence after which the row of a session may have been ended meanwhile.
const SUSPECT_SILENCE: Duration = LONGEST_SILENCE.saturating_sub(Duration::from_secs(10));
/// After new links, the earliest that they are given once more: their answer may have been lost.
const AGAIN: Duration = Duration::from_secs(15);

/// A live session, as it travels between nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SessionState {
    /// Whose it is; `None`: nobody's in particular.
    pub(super) user: Option<UserId>,
    pub(super) title: Title,
    pub(super) watch: Watch,
    /// Watch time that other titles earned in this session before, in seconds.
    pub(super) before: f64,
    pub(super) viewed: Viewed,
    pub(super) links: Links,
    /// When its row was changed by hand, in milliseconds since 1970, and never before that of an earlier change:
    /// later turns win. Zero: not since it was opened, or as far as is known.
    pub(super) turn: u64,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

/// What a client tells of a session.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Told {
    pub(super) position: Option<Seconds>,
    pub(super) state: Option<PlayState>,
    pub(super) rate: Option<Rate>,
}

impl From<Beat> for Told {
    fn from(beat: Beat) -> Self {
        Self { position: Some(beat.position), state: beat.state, rate: beat.rate }
    }
}

/// What a heartbeat leads to, beside the new state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Effect {
    /// The player's links end soon: it gets new ones.
    pub(super) renew: bool,
    /// The session ended, or lives again: its row says so before the answer goes out.
    pub(super) turned: bool,
}

impl SessionState {
    /// The state after a heartbeat at `now`.
    pub(super) fn beaten(&self, told: &Told, now: Duration, terms: &LinkTerms) -> (Self, Effect) {
        let mut next = self.clone();
        let silent = now.saturating_sub(self.watch.at) >= SUSPECT_SILENCE;
        let here = Seconds::parse(self.watch.position);
        if let Some(position) = told.position.or(here) {
            let beat = Beat { position, state: told.state, rate: told.rate };
            next.watch.beat(&beat, now, self.title.duration_seconds);
        }
        next.updated_at = steady::date(now).max(self.updated_at + TimeDelta::microseconds(1));
        let is_over = next.watch.state == PlayState::Ended;
        let renew = !is_over && self.title.file.is_some() && next.links.renewed(now, terms);
        if next.viewed == Viewed::Open && next.is_view() && self.user.is_some() && self.user == self.title.owner {
            next.viewed = Viewed::Refused;
        }
        (next, Effect { renew, turned: is_over || silent || self.watch.state == PlayState::Ended })
    }

    /// As a node goes on with it whose clock shows `now`: what was written by a clock ahead of it was heard now.
    pub(super) fn arrived(mut self, now: Duration, terms: &LinkTerms) -> Self {
        self.watch.at = self.watch.at.min(now);
        self.links = self.links.until_at_most(now + terms.life);
        self
    }

    /// The turn of a change by hand at `now`.
    pub(super) fn next_turn(&self, now: Duration) -> u64 {
        let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        self.turn.saturating_add(1).max(now)
    }

    /// Whether the watch time makes a view of the title.
    pub(super) fn is_view(&self) -> bool {
        let mut of_this = self.watch;
        of_this.watched -= self.before;
        of_this.is_view_of(&self.title)
    }

    /// Which of two states of one session goes on: `self`, of this node, or `theirs`. What both know of
    /// the view is kept.
    pub(super) fn reconciled(self, theirs: Self) -> Self {
        let (ours, other) = ((self.turn, self.watch.at), (theirs.turn, theirs.watch.at));
        let (mut goes_on, left) = if other >= ours { (theirs, self) } else { (self, theirs) };
        if goes_on.viewed == Viewed::Open && goes_on.title == left.title {
            goes_on.viewed = left.viewed;
        }
        goes_on
    }

    /// The stream, as clients see it.
    pub(super) fn stream(&self, id: StreamId) -> Stream {
        Stream {
            id,
            user_id: self.user,
            episode_id: self.title.episode,
            file_id: self.title.file,
            position_seconds: self.watch.position,
            state: self.watch.state,
            watched_seconds: self.watched_seconds(),
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    /// Brings a row up to now.
    pub(super) fn show_in(&self, stream: &mut Stream) {
        stream.position_seconds = self.watch.position;
        stream.state = self.watch.state;
        stream.watched_seconds = self.watched_seconds();
        stream.updated_at = stream.updated_at.max(self.updated_at);
    }

    fn watched_seconds(&self) -> f64 {
        Duration::from_millis(self.watch.watched_ms().unsigned_abs()).as_secs_f64()
    }

    /// Who views, as statistics count people.
    pub(super) fn viewer(&self, id: StreamId) -> Uuid {
        self.user.map_or(id.uuid(), UserId::uuid)
    }

    /// As the ledger saves it.
    pub(super) fn progress(&self, id: StreamId) -> Progress {
        Progress { stream: id, watch: self.watch, title: self.title.clone() }
    }

    /// As the ledger counts it.
    pub(super) fn view(&self, id: StreamId) -> View {
        let by = self.user.map_or(ViewedBy::Session(id), ViewedBy::Account);
        View { stream: id, by, title: self.title.clone() }
    }
}

/// How long a player's links hold, and how long before their end they are renewed.
#[derive(Debug, Clone, Copy)]
pub(super) struct LinkTerms {
    pub(super) life: Duration,
    pub(super) renewal: Duration,
}

/// When a player's links end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Links {
    until: Duration,
    /// The end of those before, which the player still uses where the answer with the new ones was lost.
    before: Option<Duration>,
}

impl Links {
    /// Given out at `now`.
    pub(super) fn given(now: Duration, terms: &LinkTerms) -> Self {
        Self { until: now + terms.life, before: None }
    }

    fn until_at_most(self, end: Duration) -> Self {
        Self { until: self.until.min(end), before: self.before.map(|before| before.min(end)) }
    }

    /// Whether the player is to be given new links; notes that it was.
    fn renewed(&mut self, now: Duration, terms: &LinkTerms) -> bool {
        if now + terms.renewal >= self.until {
            let once_more = self.until.max(now + AGAIN + terms.renewal / 4);
            *self = Self { before: Some(once_more), ..Self::given(now, terms) };
            return true;
        }
        let once_more = self.before.is_some_and(|end| now + terms.renewal / 4 >= end);
        if once_more {
            *self = Self::given(now, terms);
        }
        once_more
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::EpisodeId;

    const TERMS: LinkTerms = LinkTerms { life: Duration::from_secs(1000), renewal: Duration::from_secs(100) };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1_800_000_000 + seconds)
    }

    fn begun(user: Option<UserId>, owner: Option<UserId>) -> SessionState {
        let title = Title {
            file: Some(crate::domain::ids::FileId::new()),
            episode: Some(EpisodeId::new()),
            series: None,
            video: None,
            duration_seconds: Some(600.0),
            owner,
        };
        SessionState {
            user,
            title,
            watch: Watch::begin(0.0, at(0)),
            before: 0.0,
            viewed: Viewed::Open,
            links: Links::given(at(0), &TERMS),
            turn: 0,
            created_at: steady::date(at(0)),
            updated_at: steady::date(at(0)),
        }
    }

    fn to(position: f64) -> Told {
        Told { position: Seconds::parse(position), ..Told::default() }
    }

    fn played(state: &SessionState, seconds: std::ops::RangeInclusive<u32>) -> SessionState {
        seconds
            .step_by(5)
            .fold(state.clone(), |state, second| state.beaten(&to(f64::from(second)), at(second.into()), &TERMS).0)
    }

    #[test]
    fn the_owner_of_a_title_is_no_viewer_of_it() {
        let account = Some(UserId::new());
        assert_eq!(played(&begun(account, account), 5..=20).viewed, Viewed::Refused);
        for (user, owner) in [(account, None), (None, None), (account, Some(UserId::new())), (None, account)] {
            let played = played(&begun(user, owner), 5..=20);
            assert_eq!(played.viewed, Viewed::Open);
            assert!(played.is_view());
        }
    }

    #[test]
    fn watch_time_of_another_title_makes_no_view_of_this_one() {
        let mut state = begun(None, None);
        state.watch.watched = 9.0;
        state.before = 9.0;
        assert!(!played(&state, 5..=5).is_view());
        assert!(played(&state, 5..=10).is_view());
    }

    #[test]
    fn what_a_client_does_not_tell_stays() {
        let state = played(&begun(None, None), 5..=5);
        let paused = Told { state: Some(PlayState::Paused), ..Told::default() };
        let (paused, effect) = state.beaten(&paused, at(10), &TERMS);
        assert!((paused.watch.position - 5.0).abs() < f64::EPSILON);
        assert_eq!((paused.watch.state, effect.turned), (PlayState::Paused, false));
    }

    #[test]
    fn the_end_and_a_beat_after_it_are_told_to_the_row() {
        let state = played(&begun(None, None), 5..=10);
        let ended = Told { state: Some(PlayState::Ended), ..to(15.0) };
        let (ended, effect) = state.beaten(&ended, at(15), &TERMS);
        assert!(effect.turned);
        let (again, effect) = ended.beaten(&to(15.0), at(16), &TERMS);
        assert!(effect.turned);
        assert!(!again.beaten(&to(16.0), at(17), &TERMS).1.turned);
        assert!(again.beaten(&to(16.0), at(16 + 115), &TERMS).1.turned, "it may have been ended meanwhile");
    }

    #[test]
    fn links_are_renewed_before_their_end_and_once_more_where_the_answer_may_be_lost() {
        let mut links = Links::given(at(0), &TERMS);
        let renewed: Vec<u64> = (0..2000).step_by(5).filter(|now| links.renewed(at(*now), &TERMS)).collect();
        assert_eq!(renewed, [900, 975, 1875, 1950]);
        let mut unknown = Links::default();
        assert!(unknown.renewed(at(0), &TERMS));
        let again: Vec<u64> = (5..600).step_by(5).filter(|now| unknown.renewed(at(*now), &TERMS)).collect();
        assert_eq!(again, [15]);
    }

    #[test]
    fn what_a_clock_ahead_has_written_was_heard_now() {
        let ahead = played(&begun(None, None), 400..=410);
        let here = ahead.clone().arrived(at(10), &TERMS);
        assert_eq!(here.watch.at, at(10));
        let beaten = here.beaten(&to(415.0), at(15), &TERMS).0;
        assert!((beaten.watch.watched - ahead.watch.watched - 5.0).abs() < 0.01, "watch time goes on");
        assert!(here.beaten(&to(410.0), at(10 + 115), &TERMS).1.turned, "it falls silent");
        let links = SessionState { links: Links::given(at(9000), &TERMS), ..ahead.clone() }.arrived(at(10), &TERMS);
        assert!(links.beaten(&to(410.0), at(910), &TERMS).1.renew, "the links end by this clock");
        assert_eq!(ahead.clone().arrived(at(410), &TERMS), ahead, "clocks that agree change nothing");
    }

    #[test]
    fn later_changes_by_hand_have_later_turns_whatever_the_clock_says() {
        let first = begun(None, None);
        let second = SessionState { turn: first.next_turn(at(9)), ..first.clone() };
        assert!(second.turn > first.turn);
        assert!(second.next_turn(at(1)) > second.turn, "the clock was set back");
        let unknown = SessionState { turn: first.next_turn(at(20)), ..first };
        assert!(unknown.turn > second.turn, "Redis was emptied");
    }

    #[test]
    fn of_two_states_the_one_that_was_heard_of_last_goes_on_and_no_view_is_forgotten() {
        let early = SessionState { viewed: Viewed::Counted, ..played(&begun(None, None), 5..=5) };
        let late = SessionState { viewed: Viewed::Open, ..played(&early, 10..=10) };
        for goes_on in [early.clone().reconciled(late.clone()), late.clone().reconciled(early.clone())] {
            assert_eq!(goes_on, SessionState { viewed: Viewed::Counted, ..late.clone() });
        }
        let by_hand = SessionState { turn: 1, title: begun(None, None).title, viewed: Viewed::Open, ..early };
        assert_eq!(late.clone().reconciled(by_hand.clone()), by_hand, "another title: its view is open");
    }
}

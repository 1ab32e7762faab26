#![expect(clippy::float_cmp, reason = "rounded to milliseconds, or never computed with")]

use proptest::prelude::*;

use super::*;

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(1000.0 + seconds)
}

fn to(position: f64) -> Beat {
    Beat { position: Seconds::parse(position).unwrap(), state: Some(PlayState::Playing), rate: None }
}

fn paused(position: f64) -> Beat {
    Beat { state: Some(PlayState::Paused), ..to(position) }
}

fn at_rate(position: f64, rate: f64) -> Beat {
    Beat { rate: Rate::parse(rate), ..to(position) }
}

/// The watch time after these heartbeats at these times.
fn watched(beats: &[(f64, Beat)]) -> f64 {
    let mut watch = Watch::begin(0.0, at(0.0));
    for (time, beat) in beats {
        watch.beat(beat, at(*time), None);
    }
    (watch.watched * 1000.0).round() / 1000.0
}

fn title(length: f64) -> Title {
    Title { file: None, episode: None, series: None, video: None, duration_seconds: Some(length), owner: None }
}

#[test]
fn playing_earns_the_advance() {
    assert_eq!(watched(&[(5.0, to(5.0)), (10.0, to(10.0)), (15.0, to(14.0))]), 14.0);
}

#[test]
fn seeking_is_free_and_earns_nothing() {
    assert_eq!(
        watched(&[(5.0, to(5.0)), (10.0, to(700.0)), (15.0, to(705.0)), (20.0, to(2.0)), (25.0, to(7.0))]),
        15.0
    );
}

#[test]
fn a_position_that_jumps_two_hours_in_a_second_earns_nothing() {
    assert_eq!(watched(&[(1.0, to(7200.0))]), 0.0);
}

#[test]
fn a_doubled_rate_earns_doubly_where_it_is_told() {
    assert_eq!(watched(&[(5.0, at_rate(10.0, 2.0)), (10.0, to(20.0))]), 20.0);
    assert_eq!(watched(&[(5.0, to(10.0)), (10.0, to(20.0))]), 0.0, "untold it is a seek");
}

#[test]
fn a_pause_earns_nothing_and_what_is_played_before_and_after_it_counts() {
    let beats = [(5.0, paused(5.0)), (65.0, paused(5.0)), (70.0, paused(9.0)), (75.0, to(9.0)), (80.0, to(14.0))];
    assert_eq!(watched(&beats), 10.0);
    let silent = Beat { state: None, ..to(5.0) };
    assert_eq!(watched(&[(5.0, paused(5.0)), (60.0, silent), (65.0, to(10.0))]), 10.0);
}

#[test]
fn replayed_and_reordered_heartbeats_earn_once() {
    assert_eq!(watched(&[(5.0, to(5.0)), (5.1, to(5.0)), (5.2, to(5.0)), (10.0, to(10.0))]), 10.0);
    let reordered = watched(&[(5.0, to(5.0)), (10.0, to(15.0)), (10.1, to(10.0)), (15.0, to(15.0))]);
    assert!(reordered <= 15.0, "{reordered}");
}

#[test]
fn a_late_heartbeat_earns_its_advance_only() {
    assert_eq!(watched(&[(5.0, to(5.0)), (13.0, to(10.0)), (15.0, to(15.0))]), 10.0, "the last is beyond the clock");
    assert_eq!(watched(&[(5.0, to(5.0)), (11.5, to(10.0)), (15.0, to(15.0))]), 15.0);
}

#[test]
fn many_heartbeats_at_once_earn_the_slack_once() {
    let beats: Vec<(f64, Beat)> = (1..=100).map(|n| (0.0, to(f64::from(n) * 2.0))).collect();
    assert_eq!(watched(&beats), 2.0);
}

#[test]
fn a_clock_that_stands_or_goes_back_earns_no_more_than_the_slack() {
    let mut watch = Watch::begin(0.0, at(100.0));
    watch.beat(&to(2.0), at(5.0), None);
    assert_eq!(watch.watched, 2.0);
    watch.beat(&to(4.0), at(6.0), None);
    assert_eq!(watch.watched, 2.0);
    assert_eq!(watch.at, at(100.0), "and starts no second time");
}

#[test]
fn silence_beyond_the_end_of_a_session_is_not_watched() {
    assert_eq!(watched(&[(3600.0, to(3600.0))]), 0.0);
    assert_eq!(watched(&[(3600.0, to(100.0))]), 100.0);
}

#[test]
fn a_session_that_has_ended_begins_anew_where_it_is_heard_of_again() {
    let ended = Beat { state: Some(PlayState::Ended), ..to(10.0) };
    assert_eq!(watched(&[(10.0, ended), (100.0, to(100.0)), (105.0, to(105.0))]), 15.0);
    let mut watch = Watch::begin(0.0, at(0.0));
    watch.beat(&ended, at(10.0), None);
    watch.beat(&Beat { state: None, ..to(10.0) }, at(11.0), None);
    assert_eq!(watch.state, PlayState::Playing);
}

#[test]
fn no_position_lies_behind_the_end() {
    let mut watch = Watch::begin(0.0, at(0.0));
    watch.beat(&to(9000.0), at(5.0), Some(60.0));
    assert_eq!(watch.position, 60.0);
}

#[test]
fn a_view_is_ten_seconds_or_half_of_a_shorter_title() {
    let viewed = |watched: f64, length: f64| {
        let mut watch = Watch::begin(0.0, at(0.0));
        watch.watched = watched;
        watch.is_view_of(&title(length))
    };
    assert!(viewed(10.0, 3600.0) && !viewed(9.99, 3600.0));
    assert!(viewed(10.0, 20.0) && !viewed(9.99, 20.0));
    assert!(viewed(7.5, 15.0) && !viewed(7.49, 15.0));
    assert!(viewed(10.0, 0.0) && !viewed(9.99, 0.0), "a length that is not known");
}

#[test]
fn viewings_resume_by_the_rules() {
    let film = title(1000.0);
    assert_eq!(film.resume(49.9), Resume::Anew);
    assert_eq!(film.resume(50.0), Resume::At(50.0));
    assert_eq!(film.resume(900.0), Resume::At(900.0));
    assert_eq!(film.resume(900.1), Resume::Finished);
    assert_eq!(title(299.9).resume(100.0), Resume::Anew);
    assert_eq!(title(299.9).resume(299.0), Resume::Finished);
    assert_eq!(title(300.0).resume(100.0), Resume::At(100.0));
    assert_eq!(Title { duration_seconds: None, ..title(0.0) }.resume(100.0), Resume::At(100.0));
}

#[test]
fn a_view_moves_all_that_hold_the_title() {
    let (file, episode, series) = (FileId::new(), EpisodeId::new(), SeriesId::new());
    let title = Title { file: Some(file), episode: Some(episode), series: Some(series), ..title(60.0) };
    assert_eq!(title.name(), episode.to_string());
    let kinds: Vec<_> = title.counted_as().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [TitleKind::Episodes, TitleKind::Series, TitleKind::Files]);
    let video = Title { episode: None, series: None, video: Some("abcdefg".to_owned()), ..title };
    assert_eq!(video.name(), "abcdefg");
    assert_eq!(Title { video: None, ..video }.name(), file.to_string());
}

proptest! {
    #[test]
    fn nobody_watches_longer_than_the_clock_allows(
        beats in prop::collection::vec((0.0..200.0_f64, 0.0..10_000.0_f64, 0_usize..4, 0.1..4.0_f64), 1..60)
    ) {
        let mut watch = Watch::begin(0.0, at(0.0));
        let (mut now, mut allowed, mut rate) = (0.0, 0.0, 1.0_f64);
        for (pause, position, state, next) in beats {
            now += pause;
            let told = PlayState::ALL.get(state).copied();
            allowed += pause * rate.max(next);
            rate = next;
            let before = watch.watched;
            watch.beat(&Beat { state: told, ..at_rate(position, next) }, at(now), None);
            prop_assert!(watch.watched >= before);
            prop_assert!(watch.watched <= allowed + 2.0 + 1e-6, "{} of {allowed}", watch.watched);
        }
    }
}

//! What an account has watched: its history, and where it goes on.

use std::collections::HashSet;

use uuid::Uuid;

use super::{
    ids::{EpisodeId, FileId, SeriesId},
    playback::{BEGUN, Resume, Stream, Title, TitleKind},
};

/// A stream with what is known of its title.
#[derive(Debug, Clone, PartialEq)]
pub struct Viewing {
    /// The stream.
    pub stream: Stream,
    /// What is watched.
    pub title: Title,
    /// The names of it.
    pub names: Names,
    /// Whether it counts as a view.
    pub viewed: bool,
}

/// How people call a title.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Of the episode, the video or the file.
    pub name: String,
    /// Of the episode's series.
    pub series: Option<String>,
    /// The number of the episode's season.
    pub season: Option<i32>,
    /// The number of the episode.
    pub episode: Option<i32>,
    /// The picture of the episode, else of its series.
    pub image: Option<FileId>,
}

/// An episode that follows on another.
#[derive(Debug, Clone, PartialEq)]
pub struct NextEpisode {
    /// The episode.
    pub id: EpisodeId,
    /// Its name.
    pub name: String,
    /// The number of its season.
    pub season: i32,
    /// Its number.
    pub number: i32,
    /// Its length, where it is known.
    pub duration_seconds: Option<f64>,
}

/// A title to go on with.
#[derive(Debug, Clone, PartialEq)]
pub struct Continued {
    /// What was watched last of it.
    pub viewing: Viewing,
    /// Where it goes on.
    pub place: Place,
}

/// Where a title goes on.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// At this position, in seconds.
    At(f64),
    /// At the beginning of the episode after it.
    Next(NextEpisode),
}

/// What is left of a viewing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Left {
    /// All or nothing.
    Nothing,
    /// The rest, from this position in seconds.
    Rest(f64),
    /// What comes after this episode, if anything does.
    After(EpisodeId),
}

impl Viewing {
    /// Whether it was seen to its end.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.title.resume(self.stream.position_seconds) == Resume::Finished
    }

    /// Whether it was more than opened; then it decides where its series goes on.
    #[must_use]
    pub fn is_begun(&self) -> bool {
        let position = self.stream.position_seconds;
        position > 0.0 && position >= BEGUN * self.title.duration_seconds.unwrap_or(0.0)
    }

    /// What has one place to go on at: the series of an episode, else the file.
    fn work(&self) -> Option<Uuid> {
        self.title.series.map(SeriesId::uuid).or_else(|| self.title.file.map(FileId::uuid))
    }

    /// What is left to go on with.
    #[must_use]
    pub fn left(&self) -> Left {
        match (self.title.resume(self.stream.position_seconds), self.title.episode) {
            (Resume::At(position), _) if position > 0.0 => Left::Rest(position),
            (Resume::Finished, Some(episode)) => Left::After(episode),
            (Resume::At(_) | Resume::Anew | Resume::Finished, _) => Left::Nothing,
        }
    }

    /// The path of a picture of it.
    #[must_use]
    pub fn picture(&self) -> Option<String> {
        match (self.title.kind(), &self.title.video) {
            (TitleKind::Videos, Some(hash)) => Some(format!("/thumbnails/{hash}")),
            _ => self.names.image.map(|id| format!("/media/{id}")),
        }
    }
}

/// The viewings that a list of `limit` titles to go on with can need: whether an episode has one after it is not
/// known yet. Of viewings of one series the first that was begun decides. The one watched last comes first, here
/// and there.
#[must_use]
pub fn due(newest: Vec<Viewing>, limit: usize) -> Vec<(Viewing, Left)> {
    let (mut due, mut decided) = (Vec::new(), HashSet::new());
    let mut sure = 0;
    for viewing in newest.into_iter().filter(Viewing::is_begun) {
        if !decided.insert(viewing.work()) {
            continue;
        }
        let left = viewing.left();
        match left {
            Left::Nothing => continue,
            Left::Rest(_) => sure += 1,
            Left::After(_) => {}
        }
        due.push((viewing, left));
        if sure == limit {
            break;
        }
    }
    due
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::{
        ids::{StreamId, UserId},
        playback::PlayState,
    };

    fn viewing(episode: Option<EpisodeId>, position: f64, length: Option<f64>) -> Viewing {
        let file = Some(FileId::new());
        let stream = Stream {
            id: StreamId::new(),
            user_id: Some(UserId::new()),
            episode_id: episode,
            file_id: file,
            position_seconds: position,
            state: PlayState::Ended,
            watched_seconds: 0.0,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        };
        let title = Title { file, episode, series: None, video: None, duration_seconds: length, owner: None };
        let names = Names { name: "A film".to_owned(), series: None, season: None, episode: None, image: None };
        Viewing { stream, title, names, viewed: false }
    }

    #[test]
    fn what_is_left_follows_the_rules_of_resuming() {
        let episode = EpisodeId::new();
        let left = |position, length| viewing(Some(episode), position, length).left();
        assert_eq!(left(400.0, Some(1000.0)), Left::Rest(400.0));
        assert_eq!(left(950.0, Some(1000.0)), Left::After(episode));
        assert_eq!(left(49.0, Some(1000.0)), Left::Nothing);
        assert_eq!(left(100.0, Some(200.0)), Left::Nothing, "short");
        assert_eq!(left(190.0, Some(200.0)), Left::After(episode), "short, and finished");
        assert_eq!(left(7.0, None), Left::Rest(7.0), "a length that is not known");
        assert_eq!(left(0.0, None), Left::Nothing);
        assert_eq!(viewing(None, 950.0, Some(1000.0)).left(), Left::Nothing, "nothing comes after a film");
    }

    #[test]
    fn no_more_is_looked_at_than_a_list_can_need() {
        let episode = Some(EpisodeId::new());
        let all = [(None, 1.0), (episode, 950.0), (None, 400.0), (episode, 960.0), (None, 500.0), (None, 600.0)];
        let newest = all.map(|(episode, position)| viewing(episode, position, Some(1000.0)));
        let taken = |limit| -> Vec<f64> {
            due(newest.to_vec(), limit).iter().map(|(viewing, _)| viewing.stream.position_seconds).collect()
        };
        assert_eq!(taken(1), [950.0, 400.0]);
        assert_eq!(taken(2), [950.0, 400.0, 960.0, 500.0]);
        assert_eq!(taken(100), [950.0, 400.0, 960.0, 500.0, 600.0]);
    }

    #[test]
    fn of_a_series_the_first_that_was_begun_decides() {
        let series = Some(SeriesId::new());
        let of_series = |(position, length)| {
            let mut viewing = viewing(Some(EpisodeId::new()), position, length);
            viewing.title.series = series;
            viewing
        };
        for (positions, expected) in [
            (&[(20.0, Some(1000.0)), (950.0, Some(1000.0)), (400.0, Some(1000.0))][..], &[950.0][..]),
            (&[(50.0, Some(1000.0)), (950.0, Some(1000.0))], &[50.0]),
            (&[(0.0, None), (0.0, Some(1000.0)), (400.0, Some(1000.0))], &[400.0]),
            (&[(0.5, None), (400.0, Some(1000.0))], &[0.5]),
            (&[(49.0, Some(1000.0))], &[]),
        ] {
            let newest = positions.iter().copied().map(of_series).collect();
            let due: Vec<f64> = due(newest, 10).iter().map(|(viewing, _)| viewing.stream.position_seconds).collect();
            assert_eq!(due, expected, "{positions:?}");
        }
    }

    #[test]
    fn a_video_is_pictured_by_its_thumbnail_and_others_by_their_image() {
        let mut film = viewing(None, 0.0, None);
        assert_eq!(film.picture(), None);
        let image = FileId::new();
        film.names.image = Some(image);
        assert_eq!(film.picture(), Some(format!("/media/{image}")));
        film.title.video = Some("abcdefg".to_owned());
        assert_eq!(film.picture().as_deref(), Some("/thumbnails/abcdefg"));
    }
}

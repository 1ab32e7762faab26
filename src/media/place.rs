//! Chooses where in a video to look: random places, none of which costs much to reach.
//!
//! A seek goes to the key frame before the wanted moment, for a price that does not depend on the
//! length of the video. From there frames are decoded up to the moment, or up to a random count of
//! them if that is less: so neither a long distance between key frames nor large frames cost more
//! than a set number of pixels, and a clip with a single key frame still shows different frames.
//!
//! A transport stream has no index: a seek lands between key frames, and what follows cannot be
//! decoded before the next one. So only key frames are decoded there, but near the beginning.

use crate::domain::media::{MediaFacts, MediaType};

/// Pixels decoded for one frame, at most: about half a second of HEVC in 4K on two cores.
const MOST_PIXELS: u64 = 160_000_000;
/// Small frames are limited by their number.
const MOST_FRAMES: u64 = 500;
/// Taken for a video that does not say its size.
const USUAL_PIXELS: u64 = 1920 * 1080;
/// Seconds within which a place is looked for in a video that does not say its length.
const GUESSED_SECONDS: f64 = 7200.0;
/// No video is longer, whatever its header says.
const MOST_SECONDS: f64 = 10_000_000.0;

/// Frames a second of a transport stream, to tell how far decoding from the beginning comes.
const USUAL_RATE: f64 = 25.0;

/// A place in a video.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place {
    /// Seek to the key frame before second `at`; take the first frame at it, or the one after so
    /// many `frames` if that comes earlier.
    At { at: f64, frames: u64 },
    /// Take the first key frame after second `at`.
    KeyAfter { at: f64 },
    /// Take the frame after so many from the beginning.
    Count { frames: u64 },
}

/// How places are reached; each step is surer to have a frame than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Seek,
    SeekNearer,
    Beginning,
    FirstFrame,
}

/// Random places in one video.
#[derive(Debug)]
pub(super) struct Places {
    kind: MediaType,
    reach: Reach,
    /// Seconds; seeks stay below.
    end: f64,
    frames: u64,
}

impl Places {
    /// For a video of these facts. Without a length, short and long ones are as likely to be hit.
    pub(super) fn new(kind: MediaType, facts: &MediaFacts) -> Self {
        let guess = || GUESSED_SECONDS.powf(rand::random::<f64>());
        let side = |pixels: Option<i32>| pixels.and_then(|count| u64::try_from(count).ok());
        let pixels = side(facts.width).zip(side(facts.height)).map_or(USUAL_PIXELS, |(w, h)| w.saturating_mul(h));
        Self {
            kind,
            reach: Reach::Seek,
            end: facts.duration_seconds.filter(|end| *end > 0.0).unwrap_or_else(guess).min(MOST_SECONDS),
            frames: (MOST_PIXELS / pixels.max(1)).clamp(1, MOST_FRAMES),
        }
    }

    /// A random place.
    pub(super) fn draw(&self) -> Place {
        let frames = rand::random_range(0..=self.frames);
        let end = match self.reach {
            Reach::Seek => self.end,
            Reach::SeekNearer => self.end / 4.0,
            Reach::Beginning => return Place::Count { frames },
            Reach::FirstFrame => return Place::Count { frames: 0 },
        };
        let at = end * rand::random::<f64>();
        let decoded = u32::try_from(self.frames).map_or(f64::INFINITY, f64::from) / USUAL_RATE;
        match self.kind {
            MediaType::MpegTs if at < decoded => Place::Count { frames },
            MediaType::MpegTs => Place::KeyAfter { at },
            _ => Place::At { at, frames },
        }
    }

    /// After a place with nothing to see: further from the key frame next time. False: there is no
    /// other place.
    pub(super) fn widen(&mut self) -> bool {
        self.frames = self.frames.saturating_mul(2);
        self.reach != Reach::FirstFrame
    }

    /// After a place without a frame: nearer to the beginning next time. False: it was the beginning.
    pub(super) fn nearer(&mut self) -> bool {
        let next = match self.reach {
            Reach::Seek => Reach::SeekNearer,
            Reach::SeekNearer => Reach::Beginning,
            Reach::Beginning => Reach::FirstFrame,
            Reach::FirstFrame => return false,
        };
        self.reach = next;
        true
    }

    /// After a place that took too long to reach: the first frame. False: it was that.
    pub(super) fn give_up(&mut self) -> bool {
        std::mem::replace(&mut self.reach, Reach::FirstFrame) != Reach::FirstFrame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(kind: MediaType, seconds: Option<f64>, width: i32, height: i32) -> Places {
        let (width, height) = (Some(width), Some(height));
        Places::new(kind, &MediaFacts { duration_seconds: seconds, width, height, ..MediaFacts::default() })
    }

    #[test]
    fn places_spread_over_the_length_and_stay_cheap() {
        let places = places(MediaType::Mp4, Some(100.0), 3840, 2160);
        let (mut early, mut late) = (false, false);
        for _ in 0..200 {
            let Place::At { at, frames } = places.draw() else { panic!("no seek") };
            assert!((0.0..100.0).contains(&at) && frames <= 19, "{at} {frames}: 4K is limited by pixels");
            early |= at < 25.0;
            late |= at > 75.0;
        }
        assert!(early && late);
    }

    #[test]
    fn a_transport_stream_shows_key_frames_and_its_beginning() {
        let places = places(MediaType::MpegTs, Some(20.0), 1920, 1080);
        let drawn: Vec<Place> = (0..200).map(|_| places.draw()).collect();
        assert!(drawn.iter().any(|place| matches!(place, Place::KeyAfter { at } if *at >= 3.0)));
        assert!(drawn.iter().any(|place| matches!(place, Place::Count { frames } if *frames <= 77)));
    }

    #[test]
    fn hostile_and_missing_facts_give_places_too() {
        let all = [Some(0.0), Some(-1.0), Some(f64::NAN), Some(f64::INFINITY), Some(1e300), None];
        for (seconds, side) in all.into_iter().flat_map(|seconds| [0, -1, 1, i32::MAX].map(|side| (seconds, side))) {
            let Place::At { at, frames } = places(MediaType::Mp4, seconds, side, side).draw() else {
                panic!("no seek")
            };
            assert!((0.0..=MOST_SECONDS).contains(&at) && frames <= MOST_FRAMES, "{seconds:?}: {at} {frames}");
        }
    }

    #[test]
    fn misses_end_at_the_first_frame() {
        let mut places = places(MediaType::Mp4, Some(100.0), 640, 360);
        assert!(places.nearer());
        assert!((0..100).all(|_| matches!(places.draw(), Place::At { at, .. } if at < 25.0)));
        assert!(places.nearer());
        assert!(matches!(places.draw(), Place::Count { .. }));
        assert!(places.nearer());
        assert_eq!(places.draw(), Place::Count { frames: 0 });
        assert!(!places.nearer() && !places.widen() && !places.give_up());
    }
}

//! The ways from a row to what hangs on it: the lists and rows of nested paths.

use uuid::Uuid;

use crate::db::listing::{Narrow, Parent};

/// A way from a parent to its children.
#[derive(Debug, Clone, Copy)]
pub struct Way {
    parent: &'static str,
    children: &'static str,
}

impl Way {
    /// The parent of this id.
    #[must_use]
    pub const fn parent(self, id: Uuid) -> Parent {
        Parent { lookup: self.parent, id }
    }

    /// The children of the parent of this id.
    #[must_use]
    pub const fn children(self, id: Uuid) -> Narrow {
        Narrow { condition: self.children, id }
    }
}

/// A genre → its series.
pub const GENRE_SERIES: Way = Way {
    parent: "SELECT id FROM genres WHERE id = {}",
    children: "EXISTS (SELECT 1 FROM genres_series gs WHERE gs.series_id = t.id AND gs.genre_id = {})",
};
/// A genre → the seasons of its series.
pub const GENRE_SEASONS: Way = Way {
    parent: "SELECT id FROM genres WHERE id = {}",
    children: "t.series_id IN (SELECT gs.series_id FROM genres_series gs WHERE gs.genre_id = {})",
};
/// A series → its seasons.
pub const SERIES_SEASONS: Way = Way { parent: "SELECT id FROM series WHERE id = {}", children: "t.series_id = {}" };
/// A series → the episodes of its seasons.
pub const SERIES_EPISODES: Way = Way {
    parent: "SELECT id FROM series WHERE id = {}",
    children: "t.season_id IN (SELECT sn.id FROM seasons sn WHERE sn.series_id = {})",
};
/// A season → its episodes.
pub const SEASON_EPISODES: Way = Way { parent: "SELECT id FROM seasons WHERE id = {}", children: "t.season_id = {}" };
/// An account → its streams.
pub const USER_STREAMS: Way = Way { parent: "SELECT id FROM users WHERE id = {}", children: "t.user_id = {}" };
/// An account → the episodes of its streams, each once.
pub const USER_EPISODES: Way = Way {
    parent: "SELECT id FROM users WHERE id = {}",
    children: "EXISTS (SELECT 1 FROM streams st WHERE st.episode_id = t.id AND st.user_id = {})",
};
/// An episode → its streams.
pub const EPISODE_STREAMS: Way = Way { parent: "SELECT id FROM episodes WHERE id = {}", children: "t.episode_id = {}" };
/// A stream → its episode. The parent look-ups of streams give whose the stream is.
pub const STREAM_EPISODE: Way = Way {
    parent: "SELECT user_id FROM streams WHERE id = {}",
    children: "t.id = (SELECT st.episode_id FROM streams st WHERE st.id = {})",
};
/// A stream → the season of its episode.
pub const STREAM_SEASON: Way = Way {
    parent: "SELECT user_id FROM streams WHERE id = {}",
    children: "t.id = (SELECT e.season_id FROM streams st JOIN episodes e ON e.id = st.episode_id WHERE st.id = {})",
};
/// A stream → the series of its episode.
pub const STREAM_SERIES: Way = Way {
    parent: "SELECT user_id FROM streams WHERE id = {}",
    children: "t.id = (SELECT sn.series_id FROM streams st JOIN episodes e ON e.id = st.episode_id \
        JOIN seasons sn ON sn.id = e.season_id WHERE st.id = {})",
};
/// A stream → the genres of the series of its episode.
pub const STREAM_GENRES: Way = Way {
    // The stream of a file has no episode: the chain ends there.
    parent: "SELECT user_id FROM streams WHERE id = {} AND episode_id IS NOT NULL",
    children: "t.id IN (SELECT gs.genre_id FROM streams st JOIN episodes e ON e.id = st.episode_id \
        JOIN seasons sn ON sn.id = e.season_id JOIN genres_series gs ON gs.series_id = sn.series_id \
        WHERE st.id = {})",
};

//! Lists below a parent of the catalogue, and what their answers depend on.

use uuid::Uuid;

use crate::{
    cache::Kind,
    db::{
        listing::{Narrow, Parent},
        queries::ways::{self, Way},
    },
};

/// The way from one parent to its children.
#[derive(Debug, Clone, Copy)]
pub struct Nest {
    way: &'static NamedWay,
    id: Uuid,
}

/// A way, with what its answers are kept under and depend on.
#[derive(Debug)]
pub struct NamedWay {
    name: &'static str,
    way: Way,
    through: &'static [Kind],
}

impl NamedWay {
    /// The way from the parent of this id.
    #[must_use]
    pub const fn from(&'static self, id: Uuid) -> Nest {
        Nest { way: self, id }
    }
}

impl Nest {
    pub(super) const fn name(&self) -> &'static str {
        self.way.name
    }

    pub(super) const fn id(&self) -> Uuid {
        self.id
    }

    /// The kinds that the way passes.
    pub(super) const fn through(&self) -> &'static [Kind] {
        self.way.through
    }

    pub(super) const fn parent(&self) -> Parent {
        self.way.way.parent(self.id)
    }

    pub(super) const fn children(&self) -> Narrow {
        self.way.way.children(self.id)
    }
}

/// `/genres/{id}/series`.
pub static GENRE_SERIES: NamedWay = NamedWay { name: "genre", way: ways::GENRE_SERIES, through: &[Kind::Genres] };
/// `/genres/{id}/series/seasons`.
pub static GENRE_SEASONS: NamedWay =
    NamedWay { name: "genre-series", way: ways::GENRE_SEASONS, through: &[Kind::Genres, Kind::Series] };
/// `/series/{id}/seasons`.
pub static SERIES_SEASONS: NamedWay = NamedWay { name: "series", way: ways::SERIES_SEASONS, through: &[Kind::Series] };
/// `/series/{id}/seasons/episodes`.
pub static SERIES_EPISODES: NamedWay =
    NamedWay { name: "series-seasons", way: ways::SERIES_EPISODES, through: &[Kind::Series, Kind::Seasons] };
/// `/seasons/{id}/episodes`.
pub static SEASON_EPISODES: NamedWay =
    NamedWay { name: "season", way: ways::SEASON_EPISODES, through: &[Kind::Seasons] };

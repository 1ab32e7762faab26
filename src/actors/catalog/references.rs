//! What a write of the catalogue refers to, so that all that is not there is told at once.

use diesel::{PgConnection, result::Error as DieselError};
use uuid::Uuid;

use super::constraints::{CatalogError, WrongReference};
use crate::{
    db::queries::references::{self, Referent},
    domain::{
        catalog::{EpisodeChange, GenreChange, NewEpisode, NewGenre, NewSeason, NewSeries, SeasonChange, SeriesChange},
        ids::{FileId, GenreId},
        playback::StreamChange,
    },
};

/// A field and the rows that it names.
#[derive(Debug, Clone)]
pub struct Reference {
    field: &'static str,
    to: Referent,
    ids: Vec<Uuid>,
}

impl Reference {
    /// `field` names these rows.
    pub fn new(field: &'static str, to: Referent, ids: impl IntoIterator<Item = impl Into<Uuid>>) -> Self {
        Self { field, to, ids: ids.into_iter().map(Into::into).collect() }
    }

    /// That it names what is not there.
    #[must_use]
    pub const fn wrong(&self) -> WrongReference {
        WrongReference { field: self.field, what: noun(self.to) }
    }
}

/// What is referred to, as messages call it.
pub(super) const fn noun(to: Referent) -> &'static str {
    match to {
        Referent::Genre => "a genre",
        Referent::Series => "a series",
        Referent::Season => "a season",
        Referent::Episode => "an episode",
        Referent::File => "a file",
        Referent::User => "a user",
    }
}

/// Something that is written and may refer to other rows.
pub trait Refers {
    /// All that it refers to, in the order of its fields.
    fn references(&self) -> Vec<Reference>;
}

/// Which of `references` name what is not there.
///
/// # Errors
/// The database's.
pub fn wrong_among(conn: &mut PgConnection, references: &[Reference]) -> Result<Vec<WrongReference>, DieselError> {
    let asked: Vec<_> = references.iter().map(|reference| (reference.to, reference.ids.clone())).collect();
    let missing = references::missing(conn, &asked)?;
    Ok(missing.into_iter().filter_map(|place| references.get(place)).map(Reference::wrong).collect())
}

/// `error`, which refused what was `written` and has ended its transaction: a constraint names one reference that is
/// wrong, and others may be, too.
#[must_use]
pub fn with_all_wrong(conn: &mut PgConnection, error: CatalogError, written: &impl Refers) -> CatalogError {
    let CatalogError::References(told) = error else { return error };
    // Where the database cannot be asked, what it has told of stands.
    let mut wrong = wrong_among(conn, &written.references()).unwrap_or_default();
    // It may be there by now: when it was written it was not.
    wrong.extend(told.into_iter().filter(|told| !wrong.contains(told)).collect::<Vec<_>>());
    CatalogError::References(wrong)
}

fn genres(ids: Option<&Vec<GenreId>>) -> Reference {
    Reference::new("genre_ids", Referent::Genre, ids.into_iter().flatten().copied())
}

fn file(field: &'static str, id: Option<FileId>) -> Reference {
    Reference::new(field, Referent::File, id)
}

impl Refers for NewGenre {
    fn references(&self) -> Vec<Reference> {
        Vec::new()
    }
}

impl Refers for GenreChange {
    fn references(&self) -> Vec<Reference> {
        Vec::new()
    }
}

impl Refers for NewSeries {
    fn references(&self) -> Vec<Reference> {
        vec![genres(Some(&self.genre_ids)), file("trailer_id", self.trailer_id), file("image_id", self.image_id)]
    }
}

impl Refers for SeriesChange {
    fn references(&self) -> Vec<Reference> {
        let (trailer, image) = (self.trailer_id.flatten(), self.image_id.flatten());
        vec![genres(self.genre_ids.as_ref()), file("trailer_id", trailer), file("image_id", image)]
    }
}

impl Refers for NewSeason {
    fn references(&self) -> Vec<Reference> {
        vec![Reference::new("series_id", Referent::Series, [self.series_id])]
    }
}

impl Refers for SeasonChange {
    fn references(&self) -> Vec<Reference> {
        vec![Reference::new("series_id", Referent::Series, self.series_id)]
    }
}

impl Refers for NewEpisode {
    fn references(&self) -> Vec<Reference> {
        let season = Reference::new("season_id", Referent::Season, [self.season_id]);
        vec![season, file("image_id", self.image_id), file("file_id", self.file_id)]
    }
}

impl Refers for StreamChange {
    fn references(&self) -> Vec<Reference> {
        let episode = Reference::new("episode_id", Referent::Episode, self.episode_id);
        vec![episode, Reference::new("user_id", Referent::User, self.user_id)]
    }
}

impl Refers for EpisodeChange {
    fn references(&self) -> Vec<Reference> {
        let season = Reference::new("season_id", Referent::Season, self.season_id);
        vec![season, file("image_id", self.image_id.flatten()), file("file_id", self.file_id.flatten())]
    }
}

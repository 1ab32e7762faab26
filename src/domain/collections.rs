//! Collections: lists of movies that people keep, and the movies in them.

use std::collections::HashMap;

use super::{
    ids::{CollectionId, ProviderMovieId},
    text::{Description, GenreNames, Invalid, LongTitle},
};

/// Most movies of a collection.
pub const MOST_MOVIES: usize = 1000;

/// Bytes of text above which an answer is large.
const LARGE: u64 = 256 * 1024;

/// How large an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// As most are.
    Ordinary,
    /// So large that few are held at a time.
    Large,
}

impl Extent {
    /// Of an answer with so many bytes of text.
    #[must_use]
    pub fn of(bytes: i64) -> Self {
        if u64::try_from(bytes).is_ok_and(|bytes| bytes <= LARGE) { Self::Ordinary } else { Self::Large }
    }
}

/// A movie as a client gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NewMovie {
    pub uuid: ProviderMovieId,
    pub title: LongTitle,
    pub description: Description,
    pub genres: Option<GenreNames>,
}

/// The movies of a collection: each once, in their order, no more than [`MOST_MOVIES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Movies(Vec<NewMovie>);

impl Movies {
    /// Takes what was given. Of a movie that is there several times the last counts, in the place of the first.
    ///
    /// # Errors
    /// They are too many.
    pub fn new(given: Vec<NewMovie>) -> Result<Self, Invalid> {
        let mut places: HashMap<ProviderMovieId, usize> = HashMap::with_capacity(given.len());
        let mut movies: Vec<NewMovie> = Vec::with_capacity(given.len());
        for movie in given {
            if let Some(before) = places.get(&movie.uuid).and_then(|at| movies.get_mut(*at)) {
                *before = movie;
            } else {
                places.insert(movie.uuid, movies.len());
                movies.push(movie);
            }
        }
        if movies.len() > MOST_MOVIES {
            return Err(Invalid(format!("must be {MOST_MOVIES} movies at most")));
        }
        Ok(Self(movies))
    }

    /// How large they are together.
    #[must_use]
    pub fn extent(&self) -> Extent {
        let texts = |movie: &NewMovie| movie.title.as_str().len().saturating_add(movie.description.as_str().len());
        let genres = |movie: &NewMovie| movie.genres.as_ref().map_or(0, |genres| genres.as_str().len());
        let bytes: usize = self.0.iter().map(|movie| texts(movie).saturating_add(genres(movie))).sum();
        Extent::of(i64::try_from(bytes).unwrap_or(i64::MAX))
    }

    /// The movies.
    #[must_use]
    pub fn into_vec(self) -> Vec<NewMovie> {
        self.0
    }
}

/// A collection that is to be made.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NewCollection {
    pub title: LongTitle,
    pub description: Description,
    pub movies: Movies,
}

/// What changes of a collection; `None` leaves a field as it is. Movies take the place of all that were there.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct CollectionChange {
    pub title: Option<LongTitle>,
    pub description: Option<Description>,
    pub movies: Option<Movies>,
}

impl CollectionChange {
    /// Whether it leaves everything as it is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self, Self { title: None, description: None, movies: None })
    }
}

/// A movie as it is kept: what was said of it last, by whomever.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Movie {
    pub uuid: ProviderMovieId,
    pub title: String,
    pub description: String,
    pub genres: String,
}

/// A collection with its movies, in the order they were given.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Collection {
    pub title: String,
    pub description: String,
    pub movies: Vec<Movie>,
}

/// A collection in the list of all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Listed {
    pub id: CollectionId,
    pub title: String,
    pub description: String,
}

/// What an account keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelf {
    /// The oldest first.
    pub collections: Vec<Listed>,
    /// Up to three names of genres, by `, `.
    pub favourite_genres: String,
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn movie(number: u128, title: &str) -> NewMovie {
        NewMovie {
            uuid: Uuid::from_u128(number).into(),
            title: LongTitle::parse(title).unwrap(),
            description: Description::parse("").unwrap(),
            genres: None,
        }
    }

    #[test]
    fn of_a_movie_that_is_there_twice_the_last_counts_in_the_place_of_the_first() {
        let given = vec![movie(1, "a"), movie(2, "b"), movie(1, "c")];
        assert_eq!(Movies::new(given).unwrap().into_vec(), [movie(1, "c"), movie(2, "b")]);
    }

    #[test]
    fn a_thousand_movies_are_taken_and_no_more_whatever_is_there_twice() {
        let given = |count: u128| (0..count).map(|number| movie(number, "a")).collect::<Vec<_>>();
        assert!(Movies::new([given(1000), given(1000)].concat()).is_ok());
        assert!(Movies::new(given(1001)).is_err());
    }
}

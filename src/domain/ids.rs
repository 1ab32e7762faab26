//! Identifiers: UUIDv7, a type of its own for each kind of row.

use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, ordered by time.
            #[must_use]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The bare value, for the database.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl From<Uuid> for $name {
            fn from(value: Uuid) -> Self {
                Self(value)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            /// Takes the hyphenated form only: one id has one spelling (but for case).
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                if text.len() != uuid::fmt::Hyphenated::LENGTH {
                    return Uuid::parse_str("").map(Self);
                }
                Uuid::try_parse(text).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    )+};
}

ids! {
    /// An account.
    UserId;
    /// A genre.
    GenreId;
    /// A series.
    SeriesId;
    /// A season of a series.
    SeasonId;
    /// An episode of a season.
    EpisodeId;
    /// A viewing of an episode by an account.
    StreamId;
    /// A list of movies that somebody keeps.
    CollectionId;
    /// A movie in such lists. Given by clients, of any version: it is the provider's.
    ProviderMovieId;
    /// A video of a channel.
    VideoId;
    /// A stored file.
    FileId;
    /// A signed-in device: the refresh tokens that follow from one sign-in.
    FamilyId;
    /// An API key.
    ApiKeyId;
}

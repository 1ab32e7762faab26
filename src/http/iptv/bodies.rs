//! What the iptv contract takes.

use secrecy::SecretString;
use serde_json::Value;

use crate::{
    body,
    domain::{
        access::Role,
        account::{NewUser, OwnChannel, UserChange},
        api_key::NewApiKey,
        catalog::{
            EpisodeChange, GenreChange, NewEpisode, NewGenre, NewSeason, NewSeries, Rating, SeasonChange, Seconds,
            SeriesChange,
        },
        ids::{EpisodeId, FileId, GenreId, UserId},
        playback::{NewStream, Played, StreamChange},
        text::{Description, Email, Name, NewPassword, Username},
    },
    http::body::{Body, Fields},
};

body!(NewGenre { required name });
body!(NewApiKey { required name, required permissions, optional expires_in });
body!(GenreChange { changed name });
body!(NewSeason { required series_id, required name, optional description, optional number });
body!(SeasonChange { changed series_id, changed name, changed description, changed number });
body!(NewEpisode {
    required season_id,
    required name,
    optional description,
    optional number,
    optional image_id,
    optional file_id,
    optional duration_seconds,
});
body!(EpisodeChange {
    changed season_id,
    changed name,
    changed description,
    changed number,
    clearable image_id,
    clearable file_id,
    clearable duration_seconds,
});
body!(StreamChange { changed user_id, changed episode_id, changed position_seconds, changed state, changed rate });

/// A stream as it is sent: of an episode or of a file.
struct StreamBody {
    user_id: Option<UserId>,
    episode_id: Option<EpisodeId>,
    file_id: Option<FileId>,
    position_seconds: Option<Seconds>,
}

body!(StreamBody { optional user_id, optional episode_id, optional file_id, optional position_seconds });

impl Body for NewStream {
    fn read(fields: &mut Fields) -> Option<Self> {
        let StreamBody { user_id, episode_id, file_id, position_seconds } = StreamBody::read(fields)?;
        let played = match (episode_id, file_id) {
            (Some(id), None) => Played::Episode(id),
            (None, Some(id)) => Played::File(id),
            (Some(_), Some(_)) => return refuse(fields, "file_id", "cannot be given together with episode_id"),
            (None, None) => return refuse(fields, "episode_id", "is required, or file_id in its place"),
        };
        Some(Self { user_id, played, position_seconds })
    }

    fn schema() -> Value {
        StreamBody::schema()
    }
}

/// A series as it is sent: `genre_id` is shorthand for one genre.
struct SeriesBody {
    name: Name,
    description: Option<Description>,
    genre_id: Option<GenreId>,
    genre_ids: Option<Vec<GenreId>>,
    trailer_id: Option<FileId>,
    image_id: Option<FileId>,
    rating: Option<Rating>,
}

body!(SeriesBody {
    required name,
    optional description,
    optional genre_id,
    optional genre_ids,
    optional trailer_id,
    optional image_id,
    optional rating,
});

impl Body for NewSeries {
    fn read(fields: &mut Fields) -> Option<Self> {
        let body = SeriesBody::read(fields)?;
        let genre_ids = match (body.genre_ids, body.genre_id) {
            (Some(_), Some(_)) => return refuse(fields, "genre_id", GENRE_TWICE),
            (Some(ids), None) => ids,
            (None, id) => id.into_iter().collect(),
        };
        let SeriesBody { name, description, trailer_id, image_id, rating, .. } = body;
        Some(Self { name, description, genre_ids, trailer_id, image_id, rating })
    }

    fn schema() -> Value {
        SeriesBody::schema()
    }
}

/// A changed series as it is sent.
struct SeriesChangeBody {
    name: Option<Name>,
    description: Option<Description>,
    genre_id: Option<Option<GenreId>>,
    genre_ids: Option<Vec<GenreId>>,
    trailer_id: Option<Option<FileId>>,
    image_id: Option<Option<FileId>>,
    rating: Option<Option<Rating>>,
}

body!(SeriesChangeBody {
    changed name,
    changed description,
    clearable genre_id,
    changed genre_ids,
    clearable trailer_id,
    clearable image_id,
    clearable rating,
});

impl Body for SeriesChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let body = SeriesChangeBody::read(fields)?;
        let genre_ids = match (body.genre_ids, body.genre_id) {
            (Some(_), Some(_)) => return refuse(fields, "genre_id", GENRE_TWICE),
            (Some(ids), None) => Some(ids),
            (None, id) => id.map(|id| id.into_iter().collect()),
        };
        let SeriesChangeBody { name, description, trailer_id, image_id, rating, .. } = body;
        Some(Self { name, description, genre_ids, trailer_id, image_id, rating })
    }

    fn schema() -> Value {
        SeriesChangeBody::schema()
    }
}

const GENRE_TWICE: &str = "is shorthand for genre_ids: give one of the two";

fn refuse<T>(fields: &mut Fields, name: &str, message: &str) -> Option<T> {
    fields.refuse(name, message);
    None
}

/// `POST /users/registration`.
pub(super) struct Registration {
    first_name: Name,
    last_name: Name,
    email: Email,
    username: Option<Username>,
    password: NewPassword,
}

body!(Registration {
    required first_name,
    required last_name,
    required email,
    optional username,
    required password,
});

impl From<Registration> for NewUser {
    fn from(body: Registration) -> Self {
        Self {
            username: body.username,
            email: Some(body.email),
            first_name: Some(body.first_name),
            middle_name: None,
            last_name: Some(body.last_name),
            birth_date: None,
            password: body.password,
            channel: OwnChannel::WithFirstVideo,
        }
    }
}

/// `POST /users/login`.
pub(super) struct Login {
    /// The account's e-mail address. Not checked for form: a wrong one is a wrong credential.
    pub(super) email: String,
    /// The password.
    pub(super) password: SecretString,
}

body!(Login { required email, required password });

/// `POST /users/refresh`.
pub(super) struct Refresh {
    /// The refresh token.
    pub(super) refresh_token: SecretString,
}

body!(Refresh { required refresh_token });

/// `PATCH /users/{id}`.
pub(super) struct UserChangeBody {
    first_name: Option<Name>,
    last_name: Option<Name>,
    username: Option<Username>,
    email: Option<Email>,
    password: Option<NewPassword>,
    roles: Option<Vec<Role>>,
    /// Needed by those who change their own password or e-mail address.
    current_password: Option<SecretString>,
}

body!(UserChangeBody {
    changed first_name,
    changed last_name,
    changed username,
    changed email,
    changed password,
    changed roles,
    changed current_password,
});

impl From<UserChangeBody> for (UserChange, Option<SecretString>) {
    fn from(body: UserChangeBody) -> Self {
        let UserChangeBody { first_name, last_name, username, email, password, roles, current_password } = body;
        (UserChange { first_name, last_name, username, email, password, roles }, current_password)
    }
}

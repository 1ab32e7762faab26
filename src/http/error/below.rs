//! What errors of the layers below become.

use super::{ApiError, FieldError};
use crate::{
    actors::{
        auth::{AuthError, Taken, TokenError},
        catalog::{CatalogError, WrongReference},
        files::FilesError,
        playback::TooManyPlays,
        posters::PosterError,
        statistics::TooManyListeners,
        tally::StatisticsAway,
    },
    db::DbError,
    domain::listing::WrongParameter,
    media::{frame::FrameError, probe::ProbeError},
    provider::ProviderError,
    storage::StoreError,
};

impl ApiError {
    /// A catalogue error, about a `noun`.
    #[must_use]
    pub fn of_catalog(noun: &str, error: CatalogError) -> Self {
        match error {
            CatalogError::NotFound => Self::no_such(noun),
            CatalogError::Taken(field) => Self::taken(&[field]),
            CatalogError::References(wrong) => {
                let error = |wrong: WrongReference| {
                    FieldError::new(wrong.field, format!("refers to {} that is not there", wrong.what))
                };
                Self::Invalid(wrong.into_iter().map(error).collect())
            }
            CatalogError::Forbidden => Self::forbidden(),
            CatalogError::Medium(error) => error.into(),
            CatalogError::Cached => Self::Fault(Box::new(error)),
            CatalogError::Store(error) => error.into(),
        }
    }
}

impl From<DbError> for ApiError {
    fn from(error: DbError) -> Self {
        match error {
            DbError::NotFound => Self::no_such("Resource"),
            DbError::Away(_) => Self::Unavailable(Box::new(error)),
            DbError::Constraint { .. } | DbError::Fault(_) | DbError::Panicked => Self::Fault(Box::new(error)),
        }
    }
}

impl From<Vec<WrongParameter>> for ApiError {
    fn from(wrong: Vec<WrongParameter>) -> Self {
        Self::Invalid(wrong.into_iter().map(|wrong| FieldError::new(wrong.name, wrong.message)).collect())
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Taken(Taken::Email) => Self::taken(&["email"]),
            AuthError::Taken(Taken::Username) => Self::taken(&["username"]),
            AuthError::Taken(Taken::Both) => Self::taken(&["username", "email"]),
            AuthError::WrongCredentials { tries_left } => Self::WrongCredentials { tries_left },
            AuthError::Blocked { seconds_left, until } => Self::Blocked { seconds_left, until },
            AuthError::Busy | AuthError::IssuerAway(_) => Self::Unavailable(Box::new(error)),
            AuthError::CurrentPasswordMissing => Self::field("current_password", "is required"),
            AuthError::CurrentPasswordWrong { tries_left } => {
                Self::field("current_password", format!("is wrong; tries left: {tries_left}"))
            }
            AuthError::TooManyResets { seconds_left } => Self::TooManyRequests {
                message: format!("Too many links were asked for. Try again in {seconds_left} seconds."),
                retry_after: seconds_left,
            },
            AuthError::WrongResetToken => Self::BadRequest("The token does not hold".to_owned()),
            AuthError::LastOwner => Self::BadRequest("The last owner can be neither demoted nor deleted".to_owned()),
            AuthError::SignsInElsewhere { field } => {
                Self::field(field, "cannot be changed here: the account signs in with another issuer's tokens")
            }
            AuthError::NotFound => Self::no_such("User"),
            AuthError::NoSuchKey => Self::no_such("Key"),
            AuthError::BeyondMaker(permission) => Self::Forbidden(format!(
                "A key may do no more than its maker: your account does not have the permission '{}'",
                permission.name()
            )),
            AuthError::RightsFromElsewhere => Self::Forbidden(
                "Your permissions come with your token, from elsewhere; keys are for accounts that have roles here"
                    .to_owned(),
            ),
            AuthError::TooManyKeys(most) => {
                Self::Conflict(format!("The account has {most} keys, which is the most: revoke one first"))
            }
            AuthError::Forbidden => Self::forbidden(),
            AuthError::Token(error) => error.into(),
            AuthError::Store(error) => error.into(),
            AuthError::Fault(_) => Self::Fault(Box::new(error)),
        }
    }
}

impl From<FilesError> for ApiError {
    fn from(error: FilesError) -> Self {
        match error {
            FilesError::NotFound => Self::no_such("File"),
            FilesError::Forbidden => Self::forbidden(),
            FilesError::OwnerGone => TokenError::Ended.into(),
            FilesError::Unsupported(_) => Self::UnsupportedMediaType(
                "The file is of no accepted type: its bytes must be a video, audio, subtitles or an image".to_owned(),
            ),
            FilesError::OverQuota(quota) => {
                Self::TooLarge(format!("The account would own more than its quota of {quota} bytes"))
            }
            FilesError::Referred(by) => {
                Self::BadRequest(format!("The file cannot be deleted: it is referred to by {}", by.text()))
            }
            FilesError::Store(StoreError::TooLarge(limit)) => {
                Self::TooLarge(format!("The file is larger than {limit} bytes"))
            }
            FilesError::Db(error) => error.into(),
            FilesError::Store(StoreError::Full(_) | StoreError::Bucket(_))
            | FilesError::Probe(ProbeError::Unavailable(_)) => Self::Unavailable(Box::new(error)),
            FilesError::Store(StoreError::NotFound | StoreError::Disk(_))
            | FilesError::Probe(_)
            | FilesError::Lost(_)
            | FilesError::Died => Self::Fault(Box::new(error)),
        }
    }
}

impl From<PosterError> for ApiError {
    fn from(error: PosterError) -> Self {
        match error {
            PosterError::NoFilm => Self::no_such("File"),
            PosterError::Nothing => Self::no_such("Poster"),
            PosterError::Files(error) => error.into(),
            PosterError::Frame(FrameError::Unavailable(_)) => Self::Unavailable(Box::new(error)),
            PosterError::Frame(_) | PosterError::Kept | PosterError::Died => Self::Fault(Box::new(error)),
        }
    }
}

impl From<ProviderError> for ApiError {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::NoSuchPage => Self::no_such("Page"),
            ProviderError::Died => Self::Fault(Box::new(error)),
            ProviderError::NotConfigured
            | ProviderError::Away { .. }
            | ProviderError::Resting { .. }
            | ProviderError::Busy
            | ProviderError::Nonsense(_) => Self::Provider(error),
        }
    }
}

impl From<TooManyPlays> for ApiError {
    fn from(error: TooManyPlays) -> Self {
        Self::TooManyRequests {
            message: format!("Too many plays were opened. Try again in {} seconds.", error.seconds_left),
            retry_after: error.seconds_left,
        }
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<TooManyListeners> for ApiError {
    fn from(error: TooManyListeners) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl From<StatisticsAway> for ApiError {
    fn from(error: StatisticsAway) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

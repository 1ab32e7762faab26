//! The contracts, and what differs between them in how they speak: the shape of their answers and
//! the forms of a token. Which contract a path belongs to is told by the declared path that it is nearest to.

use std::{cmp::Reverse, collections::HashMap, sync::LazyLock};

use actix_web::{HttpRequest, http::StatusCode};
use bytes::Bytes;

use super::{casting, channels, collections, contracts, error::ApiError, images, routes::first_segment};

/// A contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// The catalogue and accounts.
    Iptv,
    /// Video sharing.
    Channels,
    /// Lists of movies.
    Collections,
    /// Images that accounts keep.
    Images,
    /// Actors and movies of a casting agency.
    Casting,
    /// Bytes for players.
    Playback,
    /// Health, metrics, maintenance, descriptions.
    Operation,
}

/// The shape of a contract's JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `{status, response, message, data}`; the root's default.
    Envelope,
    /// `{"response": …}`.
    Response,
    /// Plain objects; refusals are `{"detail": …}`, or the wrong fields by name.
    Detail,
    /// Plain objects; refusals are `{"error": …}`.
    Error,
    /// `{"success": …}`; refusals are `{"success": false, "error": …, "message": …}`.
    Success,
}

/// The forms in which a token may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenForm {
    /// `Authorization: Bearer <token>`.
    Bearer,
    /// That, or `Authorization: <token>`.
    BearerOrBare,
}

/// A refusal in a contract's own shape.
#[derive(Debug)]
pub struct Refusal {
    /// Its status.
    pub status: StatusCode,
    /// Its JSON.
    pub body: Bytes,
}

impl Contract {
    /// The contract that the path of `request` belongs to, whether anything is there or not; `None` where no
    /// contract has paths below its first segment.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Option<Self> {
        // As the router reads it.
        Self::of_path(request.match_info().as_str())
    }

    fn of_path(path: &str) -> Option<Self> {
        static BY_SEGMENT: LazyLock<HashMap<&'static str, Vec<(&'static str, Contract)>>> = LazyLock::new(|| {
            let mut declared: HashMap<_, Vec<_>> = HashMap::new();
            for routes in contracts() {
                for operation in &routes.operations {
                    declared.entry(first_segment(operation.path)).or_default().push((operation.path, routes.contract));
                }
            }
            declared
        });
        let declared = BY_SEGMENT.get(first_segment(path))?;
        declared.iter().max_by_key(|(declared, _)| nearness(declared, path)).map(|(_, contract)| *contract)
    }

    /// Its name in the API description.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iptv => "iptv",
            Self::Channels => "channels",
            Self::Collections => "collections",
            Self::Images => "images",
            Self::Casting => "casting",
            Self::Playback => "playback",
            Self::Operation => "operation",
        }
    }

    /// The shape of its JSON.
    #[must_use]
    pub const fn shape(self) -> Shape {
        match self {
            Self::Iptv | Self::Playback | Self::Operation => Shape::Envelope,
            Self::Channels => Shape::Response,
            Self::Collections => Shape::Detail,
            Self::Images => Shape::Error,
            Self::Casting => Shape::Success,
        }
    }

    /// The forms of a token it takes.
    #[must_use]
    pub const fn token_form(self) -> TokenForm {
        match self {
            Self::Iptv | Self::Collections | Self::Images | Self::Casting | Self::Playback | Self::Operation => {
                TokenForm::Bearer
            }
            Self::Channels => TokenForm::BearerOrBare,
        }
    }

    /// How it says `error`; `None` where it says it as the root does.
    #[must_use]
    pub fn refusal(self, error: &ApiError) -> Option<Refusal> {
        match self.shape() {
            Shape::Envelope => None,
            Shape::Response => Some(channels::refusal(error)),
            Shape::Detail => Some(collections::refusal(error)),
            Shape::Error => Some(images::refusal(error)),
            Shape::Success => Some(casting::refusal(error)),
        }
    }
}

/// How near `path` is to a declared one: the segments that lead both, and then the fewer the declared one has
/// beyond them the nearer.
fn nearness(declared: &str, path: &str) -> (usize, Reverse<usize>) {
    let pairs = declared.split('/').zip(path.split('/'));
    let leads =
        |(declared, segment): &(&str, &str)| declared == segment || (declared.starts_with('{') && !segment.is_empty());
    let common = pairs.take_while(leads).count();
    (common, Reverse(declared.split('/').count() - common))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_the_contract_of_the_declared_path_it_is_nearest_to() {
        for (path, contract) in [
            ("/v", Some(Contract::Channels)),
            ("/v/", Some(Contract::Channels)),
            ("/v/abc1234", Some(Contract::Channels)),
            ("/v/plays", Some(Contract::Channels)),
            ("/v/abc1234/", Some(Contract::Channels)),
            ("/v/abc1234/x", Some(Contract::Channels)),
            ("/v/abc1234/playsx", Some(Contract::Channels)),
            ("/v/abc1234/reaction", Some(Contract::Channels)),
            ("/v/abc1234/reaction/plays", Some(Contract::Channels)),
            ("/v/abc1234/plays", Some(Contract::Playback)),
            ("/v/abc1234/plays/", Some(Contract::Playback)),
            ("/v/abc1234/plays/x", Some(Contract::Playback)),
            ("/v/abc1234/plays/x/y/z", Some(Contract::Playback)),
            ("/play/x/y", Some(Contract::Playback)),
            ("/movies", Some(Contract::Collections)),
            ("/movies/x/y", Some(Contract::Collections)),
            ("/request-count", Some(Contract::Collections)),
            ("/request-count/reset/x", Some(Contract::Collections)),
            ("/images", Some(Contract::Images)),
            ("/images/x/y", Some(Contract::Images)),
            ("/genres/x/y/z", Some(Contract::Iptv)),
            ("/casting", Some(Contract::Casting)),
            ("/casting/", Some(Contract::Casting)),
            ("/casting/movies/1/x", Some(Contract::Casting)),
            ("/castings", None),
            ("/genres", Some(Contract::Iptv)),
            ("/", None),
            ("", None),
            ("/nothing/plays", None),
        ] {
            assert_eq!(Contract::of_path(path), contract, "{path}");
        }
    }
}

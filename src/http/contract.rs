//! The contracts, and what differs between them in how they speak: the shape of their answers and
//! the forms of a token. Which contract a path belongs to is told by its first segment.

use std::{collections::HashMap, sync::LazyLock};

use actix_web::http::StatusCode;
use bytes::Bytes;

use super::{channels, contracts, error::ApiError, routes::first_segment};

/// A contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    /// The catalogue and accounts.
    Iptv,
    /// Video sharing.
    Channels,
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
    /// The contract that speaks below the first segment of `path`; `None` where none does.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        static BY_SEGMENT: LazyLock<HashMap<&'static str, Contract>> = LazyLock::new(|| {
            let contracts = contracts();
            let paths = contracts.iter().flat_map(|routes| {
                routes.operations.iter().map(|operation| (first_segment(operation.path), routes.contract))
            });
            paths.collect()
        });
        BY_SEGMENT.get(first_segment(path)).copied()
    }

    /// Its name in the API description.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iptv => "iptv",
            Self::Channels => "channels",
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
        }
    }

    /// The forms of a token it takes.
    #[must_use]
    pub const fn token_form(self) -> TokenForm {
        match self {
            Self::Iptv | Self::Playback | Self::Operation => TokenForm::Bearer,
            Self::Channels => TokenForm::BearerOrBare,
        }
    }

    /// How it says `error`; `None` where it says it as the root does.
    #[must_use]
    pub fn refusal(self, error: &ApiError) -> Option<Refusal> {
        match self.shape() {
            Shape::Envelope => None,
            Shape::Response => Some(channels::refusal(error)),
        }
    }
}

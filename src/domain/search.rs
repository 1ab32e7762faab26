//! What a search of the channels contract looks for.

/// The kinds of things that are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Searched {
    /// Channels and videos, mixed.
    All,
    /// Channels only.
    Channels,
    /// Videos only.
    Videos,
}

impl Searched {
    /// The kind of this name in a path (`GET /search/{all or channel or video}/{query}`).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "all" => Some(Self::All),
            "channel" => Some(Self::Channels),
            "video" => Some(Self::Videos),
            _ => None,
        }
    }

    /// Its name in a path.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Channels => "channel",
            Self::Videos => "video",
        }
    }
}

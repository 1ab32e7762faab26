//! Images that accounts keep.

use serde::{Deserialize, Serialize};

use super::{ids::FileId, text::Invalid};

/// Longest name of an image, in characters.
const LONGEST_NAME: usize = 500;
/// Ids that a list gives at once, and what is given where nothing else is asked for.
pub const LARGEST_LIST: u32 = 1000;

/// The widths that an image can be had in, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Width(u32);

impl Width {
    /// All of them.
    pub const ALL: [u32; 5] = [64, 128, 256, 512, 1024];

    /// Takes one of them.
    ///
    /// # Errors
    /// It is another.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let known = Self::ALL.into_iter().find(|width| width.to_string() == text);
        known
            .map(Self)
            .ok_or_else(|| Invalid(format!("must be one of {}", Self::ALL.map(|w| w.to_string()).join(", "))))
    }

    /// In pixels.
    #[must_use]
    pub const fn pixels(self) -> u32 {
        self.0
    }
}

/// The name of an image as it was sent: whatever it is, but text that can be kept. Never a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageName(String);

impl ImageName {
    /// Takes a name; without one, the image has the name `unnamed`.
    ///
    /// # Errors
    /// It is too long, or has a NUL character in it.
    pub fn parse(sent: Option<String>) -> Result<Self, Invalid> {
        let name = sent.filter(|name| !name.is_empty()).unwrap_or_else(|| "unnamed".to_owned());
        if name.contains('\0') {
            return Err(Invalid("must have no NUL character in its name".to_owned()));
        }
        if name.chars().count() > LONGEST_NAME {
            return Err(Invalid(format!("must have a name of at most {LONGEST_NAME} characters")));
        }
        Ok(Self(name))
    }

    /// As text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

/// A part of a list of images, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageWindow {
    /// Behind this one.
    pub after: Option<FileId>,
    /// So many at most.
    pub limit: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_width_is_one_of_five() {
        for width in Width::ALL {
            assert_eq!(Width::parse(&width.to_string()).unwrap().pixels(), width);
        }
        for wrong in ["", "0", "063", "65", "+64", "64.0", "2048", "18446744073709551616", "all"] {
            assert!(Width::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_is_kept_as_it_was_sent() {
        for name in ["a.png", "../../etc/passwd", "a\r\nb", "\"quoted\"", "写真.jpg", " "] {
            assert_eq!(ImageName::parse(Some(name.to_owned())).unwrap().into_string(), name);
        }
        assert_eq!(ImageName::parse(None).unwrap().into_string(), "unnamed");
        assert!(ImageName::parse(Some("写".repeat(500))).is_ok());
        assert!(ImageName::parse(Some("写".repeat(501))).is_err());
        assert!(ImageName::parse(Some("a\0b".to_owned())).is_err());
    }
}

//! Cursors: where the next page begins, opaque to the client. A cursor carries the list's filters
//! and order along, so it cannot be used on another list by mistake. It is not a secret, and what
//! it carries is parsed like any other input.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

/// Longest cursor that is read, in characters.
const LONGEST: usize = 16_384;

/// A place in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The list: its table.
    #[serde(rename = "t")]
    pub table: String,
    /// Filters, `q` and `sort`, as in [`super::ListRequest::spelling`].
    #[serde(rename = "s")]
    pub spelling: String,
    /// The values of the sort keys of the last row seen, as the database writes them.
    #[serde(rename = "k")]
    pub keys: Vec<String>,
    /// Rows in the whole list, as the page told it that handed the cursor out.
    #[serde(rename = "n", default)]
    pub total: Option<i64>,
}

impl Cursor {
    /// The form on the wire.
    #[must_use]
    pub fn encode(&self) -> String {
        // Strings and a number: serialising them cannot fail.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads the form on the wire.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }
}

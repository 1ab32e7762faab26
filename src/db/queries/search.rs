//! The search for channels and videos: one statement (`search.sql`), whatever is found.
//!
//! Best first means, from the top: the channel of this name; the video of this title; titles with all
//! of the words; channels whose name begins with the query or has it as a word; titles where the last
//! word is only begun (three letters at least); title and description that have all of the words
//! together; then what was mistyped: titles, channel names, descriptions. Within a step the rank of
//! the full text or the likeness decides, then the newest. A later step is taken only while the ones
//! before have not filled the page. Case is of no account. What is no letter or digit separates words,
//! so a query of `%` finds the title that is just that, and nothing else.
//!
//! A statement costs about the same however many videos match, because each step takes a bounded
//! number of candidates. Of words that stand in more than 300 titles, those ranked are the exact
//! titles (100), the matches among the newest 200 videos, and 300 of the others; of words in
//! descriptions, 100. So a list ends after several hundred items.

use chrono::{DateTime, Utc};
use diesel::{
    PgConnection, QueryResult, QueryableByName, RunQueryDsl as _, sql_query,
    sql_types::{BigInt, Integer, Nullable, Text, Timestamptz},
};

use crate::domain::{
    channels::{Channel, Found, Video},
    search::Searched,
};

/// The text of the statement. Its parameters: the query as [`asked`] gives it, [`Searched::as_str`],
/// rows at most, rows to leave out.
pub const STATEMENT: &str = include_str!("search.sql");

/// Words of a query that are searched; further ones are left out.
pub const MOST_WORDS: usize = 8;
/// Characters of a query that are searched; further ones are left out.
pub const MOST_CHARACTERS: usize = 200;

/// No list is as long: what is asked for beyond is nothing, and no sum of two such numbers overflows.
const FURTHEST: i64 = 1_000_000;

/// A channel or a video that was found.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct FoundRow {
    /// `video` or `channel`.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// The name of the channel, or of the video's.
    #[diesel(sql_type = Text)]
    pub channel: String,
    /// Empty for a channel.
    #[diesel(sql_type = Text)]
    pub title: String,
    /// The hash path of the video, or of the channel's newest one; empty where it has none.
    #[diesel(sql_type = Text)]
    pub hash: String,
    /// Uploaded videos of the channel, or of the video's.
    #[diesel(sql_type = Integer)]
    pub videos: i32,
    /// Empty for a channel.
    #[diesel(sql_type = Text)]
    pub description: String,
    /// When the video had come; `None` for a channel.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub uploaded_at: Option<DateTime<Utc>>,
}

impl From<FoundRow> for Found {
    fn from(row: FoundRow) -> Self {
        let FoundRow { kind, channel, title, hash, videos, description, uploaded_at } = row;
        match uploaded_at {
            Some(uploaded_at) if kind == Searched::Videos.as_str() => {
                Self::Video(Video { hash, channel, title, description, uploaded_at })
            }
            _ => Self::Channel(Channel {
                name: channel,
                newest: Some(hash).filter(|hash| !hash.is_empty()),
                videos: u32::try_from(videos).unwrap_or_default(),
            }),
        }
    }
}

/// The part of `query` that is searched: [`MOST_WORDS`] words and [`MOST_CHARACTERS`] characters at
/// most, with one space between words and no control character. Empty where there is no word.
#[must_use]
pub fn asked(query: &str) -> String {
    let within = query.trim_start().chars().take(MOST_CHARACTERS).collect::<String>();
    let words = within.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.take(MOST_WORDS).collect::<Vec<_>>().join(" ")
}

/// What `query` finds, best first: `limit` rows at most, after the first `offset`. Every query is
/// taken; a blank one finds nothing, a long one is cut as [`asked`] does.
///
/// # Errors
/// Those of the database.
pub fn search(
    conn: &mut PgConnection,
    what: Searched,
    query: &str,
    limit: i64,
    offset: i64,
) -> QueryResult<Vec<FoundRow>> {
    let query = asked(query);
    if query.is_empty() {
        return Ok(Vec::new());
    }
    // Planned each time: a plan that a connection keeps from the day the tables were empty would read all of them.
    sql_query(STATEMENT)
        .bind::<Text, _>(query)
        .bind::<Text, _>(what.as_str())
        .bind::<BigInt, _>(limit.clamp(0, FURTHEST))
        .bind::<BigInt, _>(offset.clamp(0, FURTHEST))
        .load(conn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_cut_to_what_can_be_searched() {
        assert_eq!(asked("  the\t\0garden \n"), "the garden");
        assert_eq!(asked("\u{3000}\0 "), "");
        assert_eq!(asked(&"ab ".repeat(5_000)).split(' ').count(), MOST_WORDS);
        assert_eq!(asked(&"é".repeat(5_000)).chars().count(), MOST_CHARACTERS);
        assert_eq!(asked("% _ ' \\"), "% _ ' \\");
    }
}

//! Which genres an account's collections show most.

use diesel::{
    prelude::*,
    sql_query,
    sql_types::{Text, Uuid as SqlUuid},
};

use crate::domain::ids::UserId;

/// What may stand around a name: all characters that Unicode calls white space.
const SPACE: &str = "\t\n\u{b}\u{c}\r \u{85}\u{a0}\u{1680}\u{2000}\u{2001}\u{2002}\u{2003}\u{2004}\u{2005}\u{2006}\
    \u{2007}\u{2008}\u{2009}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";

/// Movies with the same text of genres are taken apart once, and a number stands for the text from there on. A name that stands in a text twice counts once; of its
/// spellings there each does. Case and alphabet are Unicode's (ICU), whatever the database was made with.
const FAVOURITES: &str = r#"WITH texts AS (
        SELECT row_number() OVER () AS text, m.genres, count(*) AS times
        FROM collections c JOIN collection_movies h ON h.collection_id = c.id JOIN movies m ON m.uuid = h.movie_uuid
        WHERE c.user_id = $1 AND m.genres <> '' GROUP BY m.genres
    ), spelled AS MATERIALIZED (
        SELECT DISTINCT t.text, t.times, s.spelling, lower(s.spelling COLLATE "und-x-icu") AS name
        FROM texts t CROSS JOIN LATERAL unnest(string_to_array(t.genres, ',')) AS p (piece)
            CROSS JOIN LATERAL (SELECT btrim(p.piece, $2) AS spelling) s
        WHERE s.spelling <> ''
    ), favourites AS (
        SELECT name, sum(times) AS times FROM (SELECT DISTINCT text, times, name FROM spelled) once
        GROUP BY name ORDER BY sum(times) DESC, name COLLATE "und-x-icu", name COLLATE "C" LIMIT 3
    )
    SELECT coalesce(string_agg((
        SELECT s.spelling FROM spelled s WHERE s.name = f.name
        GROUP BY s.spelling ORDER BY sum(s.times) DESC, s.spelling COLLATE "C" LIMIT 1
    ), ', ' ORDER BY f.times DESC, f.name COLLATE "und-x-icu", f.name COLLATE "C"), '') AS genres
    FROM favourites f"#;

#[derive(QueryableByName)]
struct Favourites {
    #[diesel(sql_type = Text)]
    genres: String,
}

/// The three most frequent genres over all movies of all collections of the account, by `, `; empty where there is
/// none. A movie in two collections counts twice. Case and surrounding space make no difference; what is shown is the
/// most frequent spelling.
///
/// # Errors
/// Diesel's.
pub fn favourite_genres(conn: &mut PgConnection, account: UserId) -> QueryResult<String> {
    let row: Favourites =
        sql_query(FAVOURITES).bind::<SqlUuid, _>(account.uuid()).bind::<Text, _>(SPACE).get_result(conn)?;
    Ok(row.genres)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_all_that_unicode_calls_so() {
        let all: String = (char::MIN..=char::MAX).filter(|letter| letter.is_whitespace()).collect();
        assert_eq!(SPACE, all);
    }
}

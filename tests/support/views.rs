//! Views and what is kept of them.

use diesel::{
    PgConnection, QueryableByName, RunQueryDsl as _, sql_query,
    sql_types::{Array, BigInt, Text},
};

/// Titles and grains of which the sum of `view_counts` is not the number of rows in `views`, or the other way round.
const DIFFERENCES: &str = "WITH titles AS ( \
        SELECT 'all' AS kind, '' AS title FROM views \
        UNION ALL SELECT 'files', file FROM views WHERE file IS NOT NULL \
        UNION ALL SELECT 'episodes', episode FROM views WHERE episode IS NOT NULL \
        UNION ALL SELECT 'series', series FROM views WHERE series IS NOT NULL \
        UNION ALL SELECT 'videos', video FROM views WHERE video IS NOT NULL), \
    rows AS (SELECT kind, title, grain, count(*)::numeric AS views FROM titles \
        CROSS JOIN unnest($1) AS grains (grain) GROUP BY kind, title, grain), \
    sums AS (SELECT kind, title, grain, sum(views) AS views FROM view_counts WHERE views <> 0 AND grain = ANY ($1) \
        GROUP BY kind, title, grain) \
    SELECT count(*) AS number FROM ((SELECT * FROM rows EXCEPT SELECT * FROM sums) \
        UNION ALL (SELECT * FROM sums EXCEPT SELECT * FROM rows)) AS differences";

/// Every sum of views of these grains is that of the rows.
#[track_caller]
pub fn sums_are_those_of_the_rows(conn: &mut PgConnection, grains: &[&str]) {
    let differences: Number = sql_query(DIFFERENCES).bind::<Array<Text>, _>(grains).get_result(conn).expect("a count");
    assert_eq!(differences.number, 0, "sums differ from the rows");
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// The sum of a column of `view_counts`, of all its moments: `of` is kind, title and grain.
pub fn sum(conn: &mut PgConnection, column: &str, of: (&str, &str, &str)) -> i64 {
    sql_query(format!(
        "SELECT coalesce(sum({column}), 0)::bigint AS number FROM view_counts WHERE (kind, title, grain) = ($1, $2, $3)"
    ))
    .bind::<Text, _>(of.0)
    .bind::<Text, _>(of.1)
    .bind::<Text, _>(of.2)
    .get_result::<Number>(conn)
    .expect("a sum")
    .number
}

//! Whether all that was told is there, in Postgres, in Redis and in the statistics.

use std::collections::{BTreeMap, BTreeSet};

use diesel::{PgConnection, QueryableByName, RunQueryDsl as _, sql_query, sql_types::Text};
use redis::aio::MultiplexedConnection;

use super::{LONG, viewers::Told};
use crate::support::{
    app::{App, eventually},
    people::Person,
    stores::count,
    views::{sum, sums_are_those_of_the_rows},
};

#[derive(QueryableByName, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    #[diesel(sql_type = Text)]
    one: String,
    #[diesel(sql_type = Text)]
    other: String,
}

fn pairs(conn: &mut PgConnection, statement: &str) -> BTreeSet<(String, String)> {
    let rows: Vec<Pair> = sql_query(statement).load(conn).expect("rows");
    rows.into_iter().map(|row| (row.one, row.other)).collect()
}

/// What was acknowledged is in Postgres, once, and the sums are those of the rows.
pub(super) fn postgres_has_what_was_told(conn: &mut PgConnection, told: &Told) {
    let rows = pairs(conn, "SELECT stream_id::text AS one, title AS other FROM views");
    let rows: BTreeSet<&String> = rows.iter().map(|(stream, _)| stream).collect();
    let told_of: BTreeSet<&String> = told.viewed.iter().collect();
    let lost: Vec<_> = told_of.difference(&rows).collect();
    let untold: Vec<_> = rows.difference(&told_of).collect();
    assert!(lost.is_empty() && untold.is_empty(), "lost: {lost:?}; counted and never told: {untold:?}");
    let twice = "(SELECT FROM views WHERE viewer_id <> stream_id GROUP BY viewer_id, title HAVING count(*) > 1) AS t";
    assert_eq!(count(conn, twice), 0, "views of one account and title within the hour");
    let of_accounts = pairs(conn, "SELECT viewer_id::text AS one, title AS other FROM views");
    let wrongly: Vec<_> = told.refused.difference(&of_accounts).collect();
    assert!(wrongly.is_empty(), "refused without a view within the hour: {wrongly:?}");
    sums_are_those_of_the_rows(conn, &["all", "day"]);
    // No play of a video was removed, so their watch time can be added up again.
    let differing = "(SELECT v.hash FROM videos v JOIN streams s ON s.file_id = v.file_id \
        GROUP BY v.hash HAVING sum(s.watched_ms) <> (SELECT watched_ms FROM view_counts \
            WHERE (kind, title, grain) = ('videos', v.hash, 'all'))) AS d";
    assert_eq!(count(conn, differing), 0, "watch time differs from that of the streams");
    let all = sum(conn, "watched_ms", ("all", "", "all"));
    assert_eq!(all, sum_of_titles(conn), "each title's watch time is in that of all");
}

/// The watch time of all titles that are a view's own: an episode's is also its file's.
fn sum_of_titles(conn: &mut PgConnection) -> i64 {
    let of_files = pairs(
        conn,
        "SELECT title AS one, watched_ms::text AS other FROM view_counts WHERE (kind, grain) = ('files', 'all')",
    );
    of_files.iter().map(|(_, watched)| watched.parse::<i64>().expect("a number")).sum()
}

/// Where the statistics are looked at.
pub(super) struct Statistics<'a> {
    pub(super) nodes: &'a [App],
    pub(super) owner: &'a Person,
    pub(super) redis: MultiplexedConnection,
}

impl Statistics<'_> {
    /// Redis and `GET /stats` come to say what Postgres does, of everything and of each title.
    pub(super) async fn are_those_of(&mut self, conn: &mut PgConnection, when: &str) {
        let views = count(conn, "views");
        for node in self.nodes {
            let agreed = async || {
                let answer = node.get("/stats", self.owner).await;
                answer.status == 200 && answer.data(200)["views"] == views
            };
            assert!(eventually(LONG, agreed).await, "GET /stats does not come to {views} views {when}");
        }
        let total: f64 = redis::cmd("ZSCORE")
            .arg("playhouse:stats:views:all:all")
            .arg("")
            .query_async(&mut self.redis)
            .await
            .expect("a score");
        assert_eq!(format!("{total}"), format!("{views}"), "in Redis {when}");
        for kind in ["files", "episodes", "series", "videos"] {
            self.titles_are_those_of(conn, (kind, when)).await;
        }
    }

    async fn titles_are_those_of(&mut self, conn: &mut PgConnection, (kind, when): (&str, &str)) {
        let of_kind = format!(
            "SELECT title AS one, views::text AS other FROM view_counts WHERE kind = '{kind}' AND grain = 'all' AND views > 0"
        );
        let stored: BTreeMap<String, String> = pairs(conn, &of_kind).into_iter().collect();
        let mut range = redis::cmd("ZRANGE");
        range.arg(format!("playhouse:stats:views:all:{kind}")).arg(0).arg(-1).arg("WITHSCORES");
        let kept: BTreeMap<String, String> = range.query_async(&mut self.redis).await.expect("scores");
        assert_eq!(kept, stored, "{kind} in Redis {when}");
        for (title, views) in stored {
            let told = self.nodes[0].get(&format!("/stats/{kind}/{title}"), self.owner).await.data(200);
            assert_eq!(told["views"].to_string(), views, "{kind} {title} {when}");
            let days = told["days"].as_array().expect("days").iter().map(|day| day["views"].as_u64().expect("views"));
            assert_eq!(days.sum::<u64>().to_string(), views, "days of {kind} {title} {when}");
        }
    }
}

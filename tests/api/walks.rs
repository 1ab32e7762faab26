//! Walks over lists that show a part of a table: what hangs on one parent, what one viewer may see. Rows of others lie
//! between, and no page, by number or by cursor, shows one of them.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    lists::walk,
    support::{
        app::{App, Catalogue},
        media::png,
        people::{People, Person},
        stores::TestDb,
    },
};

/// Rounds in which everybody gets one more row.
const ROUNDS: usize = 5;

/// A list, as the viewer sees it.
struct Part<'a> {
    path: String,
    /// The rows that it has, all of which equal `filter`.
    rows: &'a BTreeSet<String>,
    filter: String,
    /// An order by fields in which rows equal each other.
    ties: &'a str,
}

/// What is made in all rounds.
#[derive(Default)]
struct Made {
    /// Of the viewer, of either episode.
    streams: BTreeSet<String>,
    /// Those of the first.
    of_episode: BTreeSet<String>,
    /// Shown to all.
    shown: BTreeSet<String>,
    /// Below the first season.
    episodes: BTreeSet<String>,
    /// Of the first genre.
    series: BTreeSet<String>,
    /// Of the first series.
    seasons: BTreeSet<String>,
    /// Of the viewer.
    keys: BTreeSet<String>,
}

impl Made {
    /// A row of each kind, and others of the same kind before and after it.
    async fn one_more(&mut self, app: &App, people: &People, bases: &[Catalogue; 2]) {
        let People { owner, viewer, other, .. } = people;
        for (at, base) in bases.iter().enumerate() {
            for person in [other, viewer, owner] {
                let stream = app.watch(person, json!({"episode_id": base.episode})).await.stream;
                if person.id == viewer.id {
                    self.of_episode.extend((at == 0).then(|| stream.clone()));
                    self.streams.insert(stream);
                }
            }
            let season = json!({"name": "One", "series_id": base.series});
            let season = app.post("/seasons", owner, season).await.id();
            let series =
                app.post("/series", owner, json!({"name": "Casablanca", "genre_ids": [base.genre]})).await.id();
            let image = app.upload(owner, "a.png", png().to_vec()).await.id();
            let mut episode = json!({"name": "Pilot", "season_id": base.season});
            if at == 0 {
                episode["image_id"] = json!(image);
                self.shown.insert(image);
                self.seasons.insert(season);
                self.series.insert(series);
            }
            let episode = app.post("/episodes", owner, episode).await.id();
            self.episodes.extend((at == 0).then_some(episode));
        }
        for person in [other, viewer, owner] {
            let (key, _) = app.key_of(person, &["view:catalogue"]).await;
            self.keys.extend((person.id == viewer.id).then_some(key));
        }
    }
}

/// The ids on a page.
async fn page(app: &App, person: &Person, path: &str) -> Vec<String> {
    let rows = app.get(path, person).await.data(200);
    rows.as_array().expect("a list").iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

#[actix_web::test]
async fn no_page_of_a_part_of_a_table_shows_rows_of_another_part() {
    let db = TestDb::create();
    let app = App::start(&db);
    let people = app.people().await;
    let (owner, viewer) = (&people.owner, &people.viewer);
    let bases = [app.catalogue(owner).await, app.catalogue(owner).await];
    let mut made = Made::default();
    for _ in 0..ROUNDS {
        made.one_more(&app, &people, &bases).await;
    }
    let [base, _] = &bases;
    made.episodes.insert(base.episode.clone());
    made.series.insert(base.series.clone());
    made.seasons.insert(base.season.clone());
    let watched: BTreeSet<String> = bases.iter().map(|base| base.episode.clone()).collect();
    let part = |path: String, rows, filter: &str, ties| Part { path, rows, filter: filter.to_owned(), ties };
    let user_id = format!("user_id={}", viewer.id);
    let parts = vec![
        part("/streams".to_owned(), &made.streams, &user_id, "position_seconds,-watched_seconds"),
        part(format!("/users/{}/streams", viewer.id), &made.streams, "position_seconds=0", "user_id,-position_seconds"),
        part(
            format!("/episodes/{}/streams", base.episode),
            &made.of_episode,
            "position_seconds=0",
            "-episode_id,user_id",
        ),
        part("/me/history".to_owned(), &made.streams, "kind=episodes", "kind,-position_seconds"),
        part("/keys".to_owned(), &made.keys, "name=a%20program", "name,-user_id"),
        part("/files".to_owned(), &made.shown, "type=image", "type,-size,original_name"),
        part(format!("/seasons/{}/episodes", base.season), &made.episodes, "name=PILOT", "name,-season_id"),
        part(format!("/series/{}/seasons/episodes", base.series), &made.episodes, "name=PILOT", "-name,season_id"),
        part(format!("/series/{}/seasons", base.series), &made.seasons, "name=one", "name,-series_id"),
        part(format!("/genres/{}/series", base.genre), &made.series, "name=casablanca", "name,-rating"),
        part(format!("/users/{}/streams/episode", viewer.id), &watched, "name=pilot", "name,-createdAt"),
    ];
    for Part { path, rows, filter, ties } in parts {
        for sort in ["id", "-createdAt", ties] {
            for filter in ["", &filter] {
                let list = format!("{path}?limit=2&sort={sort}&{filter}");
                let walked = walk(&app, viewer, &list, async |_| {}).await;
                let mut pages = Vec::new();
                for number in 1..=rows.len().div_ceil(2) {
                    pages.extend(page(&app, viewer, &format!("{list}&page={number}")).await);
                }
                assert_eq!(walked, pages, "{list}: pages and cursors give one order");
                assert_eq!((walked.len(), &walked.into_iter().collect()), (rows.len(), rows), "{list}");
            }
        }
    }
}

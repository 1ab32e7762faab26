//! Changes by hand, made on one node while another has not heard of them, and what becomes of links.

use super::*;

async fn shown(app: &App, person: &Person, stream: &str) -> Value {
    app.get(&format!("/streams/{stream}"), person).await.data(200)
}

#[actix_web::test]
async fn the_last_of_two_nodes_to_change_a_stream_says_whose_it_is() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let house = House::of(&nodes[0]).await;
    let (bob, carl) = (nodes[0].register().await, nodes[0].register().await);
    let episode = house.episode(&nodes[0], 600.0).await;
    let stream = id(&open(&nodes[0], &house.ann, &episode).await);
    for (node, person) in [(1, &bob), (0, &carl), (1, &house.ann), (1, &bob), (0, &carl)] {
        beat(&nodes[node], &house.owner, &stream, json!({"user_id": person.id})).await.data(200);
        for node in [1, 0] {
            let beaten = beat(&nodes[node], person, &stream, json!({"position_seconds": 5})).await.data(200);
            assert_eq!(beaten["user_id"], json!(person.id));
            for other in [&bob, &carl, &house.ann].into_iter().filter(|other| other.id != person.id) {
                let refused = beat(&nodes[node], other, &stream, json!({"position_seconds": 6})).await;
                assert_eq!(refused.status, 403, "node {node}");
            }
        }
    }
    // At once: what sessions know is what the row says.
    for round in 0..4 {
        let changes = (0..8).map(|turn| {
            let body = json!({"user_id": if turn % 3 == 0 { &bob.id } else { &carl.id }});
            beat(&nodes[(turn + round) % 2], &house.owner, &stream, body)
        });
        assert!(join_all(changes).await.iter().all(|said| matches!(said.status, 200 | 503)));
        let owner = shown(&nodes[0], &house.owner, &stream).await["user_id"].clone();
        for node in &nodes {
            let beaten = beat(node, &house.owner, &stream, json!({"position_seconds": 7})).await.data(200);
            assert_eq!(beaten["user_id"], owner, "round {round}");
        }
    }
}

#[actix_web::test]
async fn a_change_on_a_node_that_heard_nothing_lately_turns_nothing_back() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let nodes = [plan.start(), plan.start()];
    let house = House::of(&nodes[0]).await;
    let episode = house.episode(&nodes[0], 600.0).await;
    let stream = id(&open(&nodes[0], &house.ann, &episode).await);
    beat(&nodes[0], &house.ann, &stream, json!({"position_seconds": 0.2})).await.data(200);
    beat(&nodes[1], &house.ann, &stream, json!({"position_seconds": 1.2})).await.data(200);
    let last =
        beat(&nodes[1], &house.ann, &stream, json!({"position_seconds": 300, "state": "paused"})).await.data(200);
    assert_eq!(last["watched_seconds"], 1.2);
    let same = async |body: Value, names: &[&str]| {
        let changed = beat(&nodes[0], &house.owner, &stream, body.clone()).await.data(200);
        let shown = shown(&nodes[1], &house.owner, &stream).await;
        for name in names {
            assert_eq!((&changed[name], &shown[name]), (&last[name], &last[name]), "{name} after {body}");
        }
    };
    same(json!({}), &["position_seconds", "watched_seconds", "state", "updatedAt", "user_id"]).await;
    assert_eq!(beat(&nodes[0], &house.ann, &stream, json!({})).await.status, 200);
    let stranger = nodes[0].register().await;
    assert_eq!(beat(&nodes[0], &stranger, &stream, json!({})).await.status, 403);
    same(json!({"user_id": house.owner.id}), &["position_seconds", "watched_seconds", "state"]).await;
}

/// An episode with a film of its own.
async fn filmed(app: &App, house: &House) -> String {
    let film = app.upload(&house.owner, "film.mp4", mp4().to_vec()).await.id();
    let body = json!({"name": "Pilot", "season_id": house.season, "file_id": film});
    app.post("/episodes", &house.owner, body).await.id()
}

#[actix_web::test]
async fn a_link_opens_what_its_stream_plays_now() {
    let db = TestDb::create();
    let app = App::start(&db);
    let house = House::of(&app).await;
    let (first, second) = (filmed(&app, &house).await, filmed(&app, &house).await);
    let opened = open(&app, &house.ann, &first).await;
    let (stream, before) = (id(&opened), link(&opened));
    assert!(plays(&app, &before).await);
    let changed = beat(&app, &house.ann, &stream, json!({"episode_id": second})).await.data(200);
    assert!(!plays(&app, &before).await, "the link to the other episode holds on");
    let beaten = if changed["playback"].is_object() {
        changed
    } else {
        beat(&app, &house.ann, &stream, json!({"position_seconds": 0})).await.data(200)
    };
    let after = link(&beaten);
    assert!(plays(&app, &after).await);
    app.delete(&format!("/episodes/{second}"), &house.owner).await.data(200);
    assert!(!plays(&app, &after).await, "its stream went along with the episode");
}

#[actix_web::test]
async fn a_stream_that_went_along_with_something_else_takes_no_heartbeat_on_any_node() {
    let db = TestDb::create();
    let plan = Plan::over(&db).with("PLAYHOUSE_PLAYBACK__SAVE_SECONDS", "8");
    let nodes = [plan.start(), plan.start()];
    let house = House::of(&nodes[0]).await;
    let bob = nodes[0].register().await;
    for goes in ["episode", "season", "account"] {
        let season =
            nodes[0].post("/seasons", &house.owner, json!({"name": "Two", "series_id": house.series})).await.id();
        let body = json!({"name": "Pilot", "season_id": season, "duration_seconds": 600.0});
        let episode = nodes[0].post("/episodes", &house.owner, body).await.id();
        let whose = if goes == "account" { &bob } else { &house.ann };
        let stream = id(&open(&nodes[0], whose, &episode).await);
        for node in &nodes {
            beat(node, &house.owner, &stream, json!({"position_seconds": 1})).await.data(200);
        }
        let path = match goes {
            "episode" => format!("/episodes/{episode}"),
            "season" => format!("/seasons/{season}"),
            _ => format!("/users/{}", bob.id),
        };
        nodes[0].delete(&path, &house.owner).await.data(200);
        // The first that is beaten finds out by itself, and tells the other.
        let order = if goes == "season" { [0, 1] } else { [1, 0] };
        for node in order {
            let beaten = beat(&nodes[node], &house.owner, &stream, json!({"position_seconds": 2})).await;
            assert_eq!(beaten.status, 404, "{goes}, node {node}");
        }
    }
}

#[actix_web::test]
async fn nothing_is_refused_for_a_poster() {
    let db = TestDb::create();
    let app = App::start(&db);
    let house = House::of(&app).await;
    let episode = filmed(&app, &house).await;
    db.connect().batch_execute("ALTER TABLE posters RENAME TO posters_away").unwrap();
    let opened = open(&app, &house.ann, &episode).await;
    assert!(opened["playback"]["poster"].is_null(), "{opened}");
    assert!(plays(&app, &link(&opened)).await);
    let changed = beat(&app, &house.ann, &id(&opened), json!({"episode_id": episode, "position_seconds": 1})).await;
    changed.data(200);
}

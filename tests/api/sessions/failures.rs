//! Sessions without Redis, without Postgres, and after a node has died.

use super::*;

/// A house over stores of its own, and a stream of an episode of 4 seconds: 2 make a view.
struct Bench {
    stores: OwnStores,
    nodes: [App; 2],
    house: House,
    stream: String,
}

async fn bench() -> Bench {
    let stores = Stores::own();
    let plan = Plan::over_own(&stores);
    let nodes = [plan.start(), plan.start()];
    let house = House::of(&nodes[0]).await;
    let episode = house.episode(&nodes[0], 4.0).await;
    let stream = id(&open(&nodes[0], &house.ann, &episode).await);
    Bench { stores, nodes, house, stream }
}

impl Bench {
    async fn beat(&self, node: usize, position: f64) -> Answer {
        beat(&self.nodes[node], &self.house.ann, &self.stream, json!({"position_seconds": position})).await
    }

    /// Beats until it is taken.
    async fn beats(&self, node: usize, position: f64) -> Value {
        let taken = async || self.beat(node, position).await.status == 200;
        assert!(eventually(SOON, taken).await, "no heartbeat is taken");
        self.beat(node, position).await.data(200)
    }

    fn views(&self) -> i64 {
        use diesel::Connection as _;
        let url = self.stores.database_url();
        count(&mut diesel::PgConnection::establish(url.expose_secret()).expect("a connection"), "views")
    }

    fn has_ended(&self) -> bool {
        use diesel::Connection as _;
        let url = self.stores.database_url();
        let ended = format!("streams WHERE id = '{}' AND state = 'ended'", self.stream);
        diesel::PgConnection::establish(url.expose_secret()).is_ok_and(|mut conn| count(&mut conn, &ended) == 1)
    }

    fn position(&self) -> f64 {
        stored_position(&self.stores.database_url(), &self.stream)
    }

    async fn empty_redis(&self) {
        redis::cmd("FLUSHALL").exec_async(&mut redis_link(&self.stores.redis_url()).await).await.unwrap();
    }
}

#[actix_web::test]
async fn sessions_go_on_while_redis_is_emptied_hangs_and_is_away() {
    let mut bench = bench().await;
    for (turn, position) in [0.2, 0.4, 0.6].into_iter().enumerate() {
        bench.empty_redis().await;
        let beaten = bench.beat(turn % 2, position).await.data(200);
        assert_eq!(beaten["position_seconds"], position);
    }
    bench.stores.pause_redis();
    for (turn, position) in [0.8, 1.0, 1.2].into_iter().enumerate() {
        bench.beat(turn % 2, position).await.data(200);
        assert!((bench.position() - position).abs() < 0.01, "stored at once");
    }
    bench.stores.resume_redis();
    bench.beats(0, 1.4).await;
    bench.stores.stop_redis();
    for (turn, position) in [1.6, 1.8].into_iter().enumerate() {
        assert_eq!(bench.beat(turn % 2, position).await.data(200)["viewed"], false);
        assert!((bench.position() - position).abs() < 0.01, "stored at once");
    }
    assert_eq!(bench.views(), 0);
    for node in [0, 1, 0, 1] {
        bench.beat(node, 2.2).await.data(200);
    }
    bench.stores.start_redis();
    for node in [0, 1] {
        let viewed = async || bench.beat(node, 3.0).await.data(200)["viewed"] == true;
        assert!(eventually(SOON, viewed).await, "node {node} knows of no view");
    }
    assert_eq!(bench.views(), 1);
    // Removed while no node can be told: found by its row.
    bench.stores.stop_redis();
    bench.nodes[0].delete(&format!("/streams/{}", bench.stream), &bench.house.ann).await.data(200);
    assert_eq!(bench.beat(1, 3.2).await.status, 404);
    bench.stores.start_redis();
    for node in [1, 0] {
        let gone = async || bench.beat(node, 3.4).await.status == 404;
        assert!(eventually(SOON, gone).await, "node {node} goes on with a removed stream");
    }
}

#[actix_web::test]
async fn a_heartbeat_without_postgres_is_taken_unless_it_has_to_count() {
    let mut bench = bench().await;
    bench.beat(0, 0.5).await.data(200);
    bench.beat(1, 0.6).await.data(200);
    bench.stores.stop_postgres();
    assert_eq!(bench.beat(0, 1.0).await.data(200)["viewed"], false);
    assert_eq!(bench.beat(1, 1.2).await.data(200)["viewed"], false);
    for node in [0, 1, 0] {
        let refused = bench.beat(node, 2.2).await;
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
    }
    bench.stores.start_postgres();
    assert_eq!(bench.beats(0, 2.2).await["viewed"], true);
    assert_eq!(bench.beats(1, 2.2).await["viewed"], true);
    assert_eq!(bench.views(), 1);
    let stored = async || (bench.position() - 2.2).abs() < 0.01;
    assert!(eventually(SOON, stored).await, "{}", bench.position());
    bench.stores.stop_postgres();
    for position in [2.4, 2.6] {
        let ended = json!({"position_seconds": position, "state": "ended"});
        beat(&bench.nodes[0], &bench.house.ann, &bench.stream, ended).await.data(200);
    }
    bench.stores.start_postgres();
    assert!(eventually(SOON, async || bench.has_ended()).await, "its row does not hear of the end");
    assert!((bench.position() - 2.6).abs() < 0.01, "{}", bench.position());
}

#[actix_web::test]
async fn a_session_outlives_its_node_and_then_redis() {
    let mut bench = bench().await;
    assert_eq!(bench.beat(0, 1.0).await.data(200)["watched_seconds"], 1.0);
    bench.nodes[0].kill();
    let beaten = bench.beat(1, 1.2).await.data(200);
    assert_eq!(beaten["position_seconds"], 1.2);
    assert!(beaten["watched_seconds"].as_f64().unwrap() > 1.1, "{beaten}");
    let stored = async || (bench.position() - 1.2).abs() < 0.01;
    assert!(eventually(SOON, stored).await, "positions are stored within 10 s");
    bench.nodes[1].kill();
    bench.empty_redis().await;
    let node = Plan::over_own(&bench.stores).start();
    let beaten = beat(&node, &bench.house.ann, &bench.stream, json!({"position_seconds": 1.9})).await.data(200);
    assert!(beaten["watched_seconds"].as_f64().unwrap() > 1.8, "{beaten}");
    let beaten = beat(&node, &bench.house.ann, &bench.stream, json!({"position_seconds": 2.2})).await.data(200);
    assert_eq!(beaten["viewed"], true);
    bench.empty_redis().await;
    assert_eq!(bench.views(), 1);
}

#[actix_web::test]
async fn a_stop_stores_what_was_heard() {
    let mut bench = bench().await;
    bench.beat(0, 1.5).await.data(200);
    assert!(bench.position() < 1.0, "else this proves nothing");
    bench.nodes[0].signal(Signal::TERM);
    assert!(bench.nodes[0].ended(Duration::from_secs(30)).is_some_and(|status| status.success()));
    assert!((bench.position() - 1.5).abs() < 0.01, "{}", bench.position());
}

//! Views while servers are killed and Redis is emptied, again and again: what was acknowledged is there, once.
//!
//! `make soak-views` runs this alone, with other numbers where they are given (an hour: `SECONDS=3600`).

mod reckoning;
mod viewers;

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use diesel::{Connection as _, PgConnection};
use futures_util::future::join_all;
use redis::aio::MultiplexedConnection;
use secrecy::ExposeSecret as _;

use self::{
    reckoning::{Statistics, postgres_has_what_was_told},
    viewers::{Caller, Dice, Shared, Told, titles},
};
use crate::support::{
    app::{App, Plan},
    load::my_turn,
    people::{PASSWORD, Person},
    stores::{OwnStores, Stores},
};

const NODES: usize = 2;
/// What has to come about in the end comes within this time.
const LONG: Duration = Duration::from_mins(2);

/// A number of the environment.
fn given(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty());
    text.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// Kills servers and empties Redis.
struct Havoc {
    shared: Arc<Shared>,
    plan: Plan,
    nodes: Vec<App>,
    redis: MultiplexedConnection,
    dice: Dice,
    kills: u64,
    emptied: u64,
}

impl Havoc {
    async fn wreak(&mut self, end: Instant) {
        let (kill_every, empty_every) = (given("SOAK_KILL_EVERY", 3), given("SOAK_EMPTY_EVERY", 4));
        let (mut kill, mut empty) = (Instant::now(), Instant::now());
        kill += self.dice.about(kill_every);
        empty += self.dice.about(empty_every);
        while kill.min(empty) < end {
            tokio::time::sleep_until(kill.min(empty).into()).await;
            if kill <= empty {
                self.kill().await;
                kill = Instant::now() + self.dice.about(kill_every);
            } else {
                self.empty().await;
                empty = Instant::now() + self.dice.about(empty_every);
            }
        }
    }

    /// Kills a node, now and then all of them, and starts it again.
    async fn kill(&mut self) {
        let all = self.dice.below(4) == 0;
        let one = usize::try_from(self.dice.below(2)).unwrap() % NODES;
        let killed: Vec<usize> = (0..NODES).filter(|at| all || *at == one).collect();
        for at in &killed {
            self.nodes[*at].kill();
        }
        for at in killed {
            let plan = self.plan.clone();
            self.nodes[at] = tokio::task::spawn_blocking(move || plan.start()).await.expect("a server");
            self.shared.bases.write().expect("the nodes")[at].clone_from(&self.nodes[at].base);
            self.kills += 1;
        }
    }

    async fn empty(&mut self) {
        redis::cmd("FLUSHALL").exec_async(&mut self.redis).await.expect("it is emptied");
        if self.dice.below(2) == 0 {
            redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut self.redis).await.expect("it forgets its scripts");
        }
        self.emptied += 1;
    }
}

async fn link(stores: &OwnStores) -> MultiplexedConnection {
    let client = redis::Client::open(stores.redis_url().expose_secret()).expect("an address");
    client.get_multiplexed_async_connection().await.expect("a connection")
}

#[actix_web::test]
async fn acknowledged_views_are_kept_once_though_servers_are_killed_and_redis_is_emptied() {
    let _turn = my_turn().await;
    let (seconds, viewers) = (given("SOAK_SECONDS", 20), given("SOAK_VIEWERS", 200));
    let seed = given("SOAK_SEED", 20_261_121);
    eprintln!("{viewers} viewers for {seconds} s, from the seed {seed}");
    let stores = Stores::own();
    let plan = Plan::over_own(&stores).with("PLAYHOUSE_PLAYBACK__PLAYS_PER_ADDRESS", "1000000");
    let nodes: Vec<App> = (0..NODES).map(|_| plan.start()).collect();
    let owner = nodes[0].register().await;
    let (titles, shared) = (Arc::new(titles(&nodes[0], &owner).await), Arc::new(Shared::over(&nodes)));
    let callers = (0..viewers).map(|number| {
        let caller = Caller::new(Arc::clone(&shared), Dice(seed ^ (number << 32 | number)), Arc::clone(&titles));
        // Every other one has an account.
        actix_web::rt::spawn(caller.live(number % 2 == 0))
    });
    let callers: Vec<_> = callers.collect();
    let (redis, dice) = (link(&stores).await, Dice(seed));
    let mut havoc = Havoc { shared: Arc::clone(&shared), plan, nodes, redis, dice, kills: 0, emptied: 0 };
    havoc.wreak(Instant::now() + Duration::from_secs(seconds)).await;
    shared.over.store(true, Ordering::SeqCst);
    let ended = tokio::time::timeout(LONG, join_all(callers)).await.expect("all views are decided in time");
    for caller in ended {
        caller.expect("a viewer that ends");
    }
    let told = std::mem::take(&mut *shared.told.lock().expect("the list"));
    let (counted, refused, retries) = (told.viewed.len(), told.refused.len(), shared.retries.load(Ordering::Relaxed));
    eprintln!(
        "{counted} views acknowledged, {refused} refused, {retries} retries, {} kills, Redis emptied {} times",
        havoc.kills, havoc.emptied
    );
    assert!(havoc.kills > 0 && havoc.emptied > 0, "nothing was disturbed");
    assert!(u64::try_from(counted).unwrap() > viewers, "hardly anything was going on");
    reckon(&stores, &havoc.nodes, &owner, &told).await;
}

/// Everything agrees, and again when Redis was emptied once more.
async fn reckon(stores: &OwnStores, nodes: &[App], owner: &Person, told: &Told) {
    let mut conn = PgConnection::establish(stores.database_url().expose_secret()).expect("a connection");
    postgres_has_what_was_told(&mut conn, told);
    let owner = nodes[0].sign_in(&owner.id, &owner.email, PASSWORD).await;
    let mut statistics = Statistics { nodes, owner: &owner, redis: link(stores).await };
    statistics.are_those_of(&mut conn, "at the end").await;
    redis::cmd("FLUSHALL").exec_async(&mut statistics.redis).await.expect("it is emptied");
    statistics.are_those_of(&mut conn, "made again").await;
    postgres_has_what_was_told(&mut conn, told);
}

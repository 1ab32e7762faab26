//! Every key and channel in Redis, its type and its lifetime. All stand below the prefix of the
//! settings (`redis.prefix`).
//!
//! | key | type | lifetime | what |
//! | --- | --- | --- | --- |
//! | `g:<scope>` | string | 2 × `cache.ttl_seconds` | where a scope is at: a random token, replaced by every write |
//! | `c:<form>:<key>` | string | `cache.ttl_seconds` | a cached answer, with the tokens it was loaded under |
//! | `lockout:{<digest>}:tries`, `…:open` | sorted set | `auth.lockout_window_seconds` | tries of one address for one name; those under way |
//! | `lockout:{<digest>}:block` | string | `auth.lockout_block_seconds` | the pair is blocked |
//! | `{resets}:<digest>` | string | `auth.reset_window_seconds` | links asked for, by an address of mail or of the network |
//! | `{plays}:<digest>` | string | `playback.plays_window_seconds` | plays opened by an address |
//! | `stats:total` | hash | – | requests and bytes that all nodes served; requests since the last reset of their count, and which one that was |
//! | `stats:nodes` | sorted set | pruned at each read | nodes by the time of their last flush |
//! | `session:{<id>}` | string | 3 minutes | the state of a viewing session after its version, or `gone` where it was removed |
//! | `stats:sessions` | sorted set | 150 s, pruned at each write | viewing sessions by their last sign of life |
//! | `stats:live`, `stats:live:<kind>:<title>` | sorted set | 150 s, pruned at each write | viewing sessions (`<account>/<session>`, of nobody `<session>`) by their last sign of life; those of one title |
//! | `stats:live:count`, `stats:live:<kind>:<title>:count` | string | 1 s | the viewers in such a set, where it is large |
//! | `stats:node:<node>` | hash | 30 days after its last flush | what a node served and counted, by now and before the last reset, who views there, its uptime |
//! | `stats:views:<grain>:<begin>:<kind>` | sorted set | as long as a list looks at it ([`Grain::useful_seconds`]) | titles by their views in the day, hour or minute that began then |
//! | `stats:views:all:<kind>` | sorted set | – | titles by their views |
//! | `stats:watched:<kind>` | sorted set | – | titles by their watch time in milliseconds |
//! | `stats:viewers:<kind>:<title>` | `HyperLogLog` | – | who viewed the title |
//! | `stats:top:<window>:<kind>` | sorted set | a few seconds ([`Window::kept_seconds`]) | the most viewed, by negative views |
//! | `stats:followed` | string | – | up to which transaction of Postgres the four above were read; absent: not at all |
//! | `stats:rebuild` | string | 5 s | the turn of the node that reads everything anew |
//! | `invalidate` | channel | – | scopes that were moved on, by node |
//!
//! `<kind>` is a [`TitleKind`], or `all`, whose one title is the empty name: the installation. What of the
//! statistics is made of Postgres holds absolute values that only rise, so it may be written again, late,
//! and by several nodes at once.
//!
//! Scripts and pipelines touch several keys, so all of it is one Redis: not a Redis Cluster, whose nodes hold a
//! part each. (The braces in some keys mean nothing.)
//!
//! [`TitleKind`]: crate::domain::playback::TitleKind

use uuid::Uuid;

use crate::domain::statistics::{Grain, Window};

/// Where a scope is at.
#[must_use]
pub fn generation(scope: &str) -> String {
    format!("g:{scope}")
}

/// The form of what is cached; raised when it changes, so that nodes of two versions can share a Redis.
const FORM: u32 = 1;

/// A cached answer.
#[must_use]
pub fn cached(key: &str) -> String {
    format!("c:{FORM}:{key}")
}

/// The channel on which nodes tell each other what has changed.
pub const INVALIDATE: &str = "invalidate";

/// The counters of one node.
#[must_use]
pub fn node_statistics(node: &str) -> String {
    format!("stats:node:{node}")
}

/// The counters of all nodes.
pub const TOTALS: &str = "stats:total";
/// The nodes.
pub const NODES: &str = "stats:nodes";
/// The viewing sessions.
pub const SESSIONS: &str = "stats:sessions";
/// The viewers.
pub const LIVE: &str = "stats:live";
/// Up to where Postgres was read.
pub const FOLLOWED: &str = "stats:followed";
/// The turn of the node that reads Postgres anew.
pub const REBUILD: &str = "stats:rebuild";
/// The kind whose one title, the empty name, is the installation.
pub const EVERYTHING: &str = "all";
/// What the keys that are made of Postgres begin with.
pub const MADE_OF_POSTGRES: [&str; 3] = ["stats:views:", "stats:watched:", "stats:viewers:"];

/// Views of the titles of a kind in the piece of time that began at `begin` (seconds since 1970).
#[must_use]
pub fn views(grain: Grain, begin: i64, kind: &str) -> String {
    match grain {
        Grain::All => format!("stats:views:all:{kind}"),
        Grain::Day | Grain::Hour | Grain::Minute => format!("stats:views:{}:{begin}:{kind}", grain.name()),
    }
}

/// Watch time of the titles of a kind.
#[must_use]
pub fn watched(kind: &str) -> String {
    format!("stats:watched:{kind}")
}

/// Who viewed a title.
#[must_use]
pub fn viewers(kind: &str, title: &str) -> String {
    format!("stats:viewers:{kind}:{title}")
}

/// Who views a title now.
#[must_use]
pub fn live(kind: &str, title: &str) -> String {
    format!("stats:live:{kind}:{title}")
}

/// Where the number of viewers in a live set is kept.
#[must_use]
pub fn live_count(set: &str) -> String {
    format!("{set}:count")
}

/// The most viewed of a kind.
#[must_use]
pub fn top(window: Window, kind: &str) -> String {
    format!("stats:top:{}:{kind}", window.name())
}

/// The state of a viewing session.
#[must_use]
pub fn session(id: Uuid) -> String {
    format!("session:{{{id}}}")
}

/// What stands in the place of a session that was removed.
pub const GONE: &str = "gone";

/// Keeps the state of a session: see its head.
pub const SESSION_SCRIPT: &str = include_str!("scripts/session.lua");

/// A part of what is known of one address' tries for one name.
#[must_use]
pub fn lockout(digest: &str, part: &str) -> String {
    format!("lockout:{{{digest}}}:{part}")
}

/// Counts tries, in one step: see its head.
pub const LOCKOUT_SCRIPT: &str = include_str!("scripts/lockout.lua");

/// How often one who is told by `digest` did `what`: `resets` (asked for a link to set a password) or `plays`
/// (opened one).
#[must_use]
pub fn limit(what: &str, digest: &str) -> String {
    format!("{{{what}}}:{digest}")
}

/// Counts an action against several limits, in one step: see its head.
pub const LIMIT_SCRIPT: &str = include_str!("scripts/limit.lua");

/// Takes up what a node has counted: see its head.
pub const TALLY_SCRIPT: &str = include_str!("scripts/tally.lua");

/// Begins the count of requests anew: see its head.
pub const RESET_SCRIPT: &str = include_str!("scripts/reset.lua");

/// One step of reading what has changed in Postgres: see its head.
pub const FOLLOW_SCRIPT: &str = include_str!("scripts/follow.lua");

/// How many are live: see its head.
pub const LIVE_SCRIPT: &str = include_str!("scripts/live.lua");

/// The most viewed: see its head.
pub const TOP_SCRIPT: &str = include_str!("scripts/top.lua");

//! Every key and channel in Redis, its type and its lifetime. All stand below the prefix of the
//! settings (`redis.prefix`).
//!
//! | key | type | lifetime | what |
//! | --- | --- | --- | --- |
//! | `g:<scope>` | string | 2 × `cache.ttl_seconds` | where a scope is at: a random token, replaced by every write |
//! | `c:<form>:<key>` | string | `cache.ttl_seconds` | a cached answer, with the tokens it was loaded under |
//! | `lockout:{<digest>}:tries`, `…:open` | sorted set | `auth.lockout_window_seconds` | tries of one address for one name; those under way |
//! | `lockout:{<digest>}:block` | string | `auth.lockout_block_seconds` | the pair is blocked |
//! | `stats:total` | hash | – | requests and bytes that all nodes served |
//! | `stats:nodes` | sorted set | pruned at each read | nodes by the time of their last flush |
//! | `stats:node:<node>` | hash | 1 day after its last flush | requests, bytes and uptime of a node |
//! | `stats:sessions` | sorted set | pruned at each read | viewing sessions by their last sign of life |
//! | `invalidate` | channel | – | scopes that were moved on, by node |

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

/// A part of what is known of one address' tries for one name. The braces keep the parts on one node
/// of a Redis cluster.
#[must_use]
pub fn lockout(digest: &str, part: &str) -> String {
    format!("lockout:{{{digest}}}:{part}")
}

/// Counts tries, in one step: see its head.
pub const LOCKOUT_SCRIPT: &str = include_str!("scripts/lockout.lua");

/// How often links to set a password were asked for, for one address of the network or of mail. The
/// braces keep the counts of one question on one node of a Redis cluster.
#[must_use]
pub fn resets(digest: &str) -> String {
    format!("{{resets}}:{digest}")
}

/// Counts an action against several limits, in one step: see its head.
pub const LIMIT_SCRIPT: &str = include_str!("scripts/limit.lua");

/// Takes up what a node has counted: see its head.
pub const TALLY_SCRIPT: &str = include_str!("scripts/tally.lua");

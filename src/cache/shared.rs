//! The level in Redis. A value is stored with the tokens of its scopes and is valid only while
//! every scope still has that token; a scope without a token makes every value over it invalid.

use bytes::Bytes;
use redis::aio::ConnectionManager;
use uuid::Uuid;

use super::{Cache, Inner, Scope, Told, keys};

/// Largest value that is shared, in bytes; larger ones stay in the process that made them.
const LARGEST: usize = 64 * 1024;

/// Outcome of a look-up.
pub(super) enum Found {
    /// A valid value.
    Value(Bytes),
    /// None; a value loaded from now on may be stored under these tokens.
    Nothing(Vec<u8>),
    /// Redis does not answer.
    Away,
}

/// Looks `key` up, in one round trip where the scopes have tokens.
pub(super) async fn get(cache: &Cache, key: &str, scopes: &[Scope]) -> Found {
    let Some(mut redis) = cache.redis() else { return Found::Away };
    match look(cache, &mut redis, key, scopes).await {
        Ok(found) => found,
        Err(error) => {
            cache.report_failure(&error);
            Found::Away
        }
    }
}

async fn look(cache: &Cache, redis: &mut ConnectionManager, key: &str, scopes: &[Scope]) -> redis::RedisResult<Found> {
    let generations: Vec<String> = scopes.iter().map(|scope| cache.key(&keys::generation(&scope.name()))).collect();
    let mut command = redis::cmd("MGET");
    command.arg(cache.key(&keys::cached(key)));
    for generation in &generations {
        command.arg(generation);
    }
    let mut answers: Vec<Option<Vec<u8>>> = command.query_async(redis).await?;
    let value = answers.drain(..1).next().flatten();
    let tokens = match answers.into_iter().collect::<Option<Vec<_>>>() {
        Some(tokens) => tokens,
        None => begin(cache, redis, &generations).await?,
    };
    // A Redis that was restarted may have lost tokens and values alike, back to an older pair that fits.
    let run = cache.inner.run.load();
    let header = [run.as_bytes(), b"|", &tokens.join(&b'|'), b"\n"].concat();
    Ok(match value.map(Bytes::from) {
        Some(value) if value.starts_with(&header) => Found::Value(value.slice(header.len()..)),
        _ => Found::Nothing(header),
    })
}

/// Gives a token to each scope that has none.
async fn begin(
    cache: &Cache,
    redis: &mut ConnectionManager,
    generations: &[String],
) -> redis::RedisResult<Vec<Vec<u8>>> {
    let mut pipe = redis::pipe();
    for generation in generations {
        pipe.cmd("SET").arg(generation).arg(token()).arg("NX").arg("EX").arg(lifetime(&cache.inner)).ignore();
    }
    pipe.cmd("MGET").arg(generations);
    let (tokens,): (Vec<Vec<u8>>,) = pipe.query_async(redis).await?;
    Ok(tokens)
}

/// Stores a value that was loaded after `header` was read. A failure only costs the next reader.
pub(super) async fn put(cache: &Cache, key: &str, header: &[u8], value: &Bytes) {
    if value.len() > LARGEST {
        return;
    }
    let Some(mut redis) = cache.redis() else { return };
    let stored: redis::RedisResult<()> = redis::cmd("SET")
        .arg(cache.key(&keys::cached(key)))
        .arg([header, value].concat())
        .arg("EX")
        .arg(cache.inner.ttl.as_secs())
        .query_async(&mut redis)
        .await;
    if let Err(error) = stored {
        cache.report_failure(&error);
    }
}

/// Replaces the tokens of the scopes and tells the other nodes, in one round trip. Commands go only while our own
/// subscription stands, so that we are one of those who hear it.
pub(super) async fn tell(inner: &Inner, mut redis: ConnectionManager, scopes: &[Scope]) -> redis::RedisResult<Told> {
    let mut pipe = redis::pipe();
    pipe.atomic();
    for scope in scopes {
        let key = inner.key(&keys::generation(&scope.name()));
        pipe.cmd("SET").arg(key).arg(token()).arg("EX").arg(lifetime(inner)).ignore();
    }
    let names: Vec<String> = scopes.iter().map(|scope| scope.name()).collect();
    pipe.cmd("PUBLISH").arg(inner.key(keys::INVALIDATE)).arg(names.join(" "));
    let told = pipe.query_async(&mut redis);
    let (heard,): (u64,) = tokio::time::timeout(inner.timeout, told)
        .await
        .unwrap_or_else(|_| Err(redis::RedisError::from((redis::ErrorKind::Io, "no answer in time"))))?;
    Ok(if heard > 1 { Told::Others } else { Told::Nobody })
}

/// The run of Redis that answers now, from its own account of itself.
pub(super) async fn run_id(mut redis: ConnectionManager) -> redis::RedisResult<String> {
    let told: String = redis::cmd("INFO").arg("server").query_async(&mut redis).await?;
    let run = told.lines().find_map(|line| line.strip_prefix("run_id:"));
    Ok(run.unwrap_or_default().trim().to_owned())
}

fn token() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Longer than any value over the scope lives.
fn lifetime(inner: &Inner) -> u64 {
    inner.ttl.as_secs() * 2
}

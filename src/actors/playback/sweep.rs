//! What nobody asks for, and has to happen all the same: rows hear of ends that Postgres was away for, rows of
//! silent sessions end, sessions whose rows went along with something else end, and old plays of nobody in
//! particular are removed. Every node does it.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use uuid::Uuid;

use super::{Parts, live::Leaves};
use crate::{
    cache::{Kind, Scope},
    db::{DbError, queries::streams},
    domain::ids::StreamId,
};

/// How often.
const EVERY: Duration = Duration::from_secs(2);
/// Rows that a statement ends or removes at most.
const MOST: i64 = 500;
/// Sessions that a statement asks for at most.
const BATCH: usize = 5000;
/// Ends and returns that are told at once at most.
const GROUP: usize = 500;

/// Starts sweeping. Needs a running runtime.
pub(super) fn start(parts: Arc<Parts>) {
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = sweep(&parts).await {
                tracing::debug!(%error, "sessions are swept later");
            }
        }
    });
}

async fn sweep(parts: &Parts) -> Result<(), DbError> {
    settle(parts).await?;
    leave_removed(parts).await?;
    end_silent(parts).await?;
    parts.db.run(|conn| Ok::<_, DbError>(streams::remove_old_plays(conn, MOST)?)).await.map(drop)
}

/// Tells rows of ends and returns that Postgres was away for.
async fn settle(parts: &Parts) -> Result<(), DbError> {
    loop {
        let owed = parts.owed.some(GROUP);
        if owed.is_empty() {
            return Ok(());
        }
        let saves =
            owed.iter().map(|(id, state)| parts.ledger.save(state.progress(*id), parts.clock.age(state.watch.at)));
        let mut told = Vec::new();
        let mut away = Ok(());
        for ((id, state), saved) in owed.iter().zip(join_all(saves).await) {
            if let Err(error @ DbError::Away(_)) = saved {
                away = Err(error);
            } else {
                parts.owed.settle(*id, state);
                told.push(Scope::Row(Kind::Streams, id.uuid()));
            }
        }
        if !told.is_empty() {
            parts.cache.invalidate(&told).await;
        }
        away?;
    }
}

/// Sessions that live here and whose rows are gone: by a cascade, or removed while Redis was away.
async fn leave_removed(parts: &Parts) -> Result<(), DbError> {
    for ids in parts.registry.ids().chunks(BATCH) {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        let asked = ids.clone();
        let there = parts.db.run(move |conn| Ok::<_, DbError>(streams::which_exist(conn, &asked)?)).await?;
        if there.len() < ids.len() {
            let there: std::collections::HashSet<Uuid> = there.into_iter().collect();
            let gone: Vec<StreamId> = ids.into_iter().filter(|id| !there.contains(id)).map(StreamId::from).collect();
            parts.ended(&gone).await;
        }
    }
    Ok(())
}

async fn end_silent(parts: &Parts) -> Result<(), DbError> {
    let silent = parts.db.run(|conn| Ok::<_, DbError>(streams::silent(conn, MOST)?)).await?;
    if silent.is_empty() {
        return Ok(());
    }
    // Rows lag behind while Postgres is away.
    let silent = parts.live.silent(silent.into_iter().map(StreamId::from).collect()).await;
    let silent: Vec<Uuid> = silent.into_iter().map(StreamId::uuid).collect();
    let ended = parts.db.run(move |conn| Ok::<_, DbError>(streams::end_silent(conn, &silent)?)).await?;
    let ended: Vec<StreamId> = ended.into_iter().map(StreamId::from).collect();
    if !ended.is_empty() {
        parts.live.leave(&ended, Leaves::Silent).await;
        let scopes: Vec<Scope> = ended.iter().map(|id| Scope::Row(Kind::Streams, id.uuid())).collect();
        parts.cache.invalidate(&scopes).await;
    }
    Ok(())
}

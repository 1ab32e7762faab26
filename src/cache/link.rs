//! The link to the other nodes: one subscription, probed all the time. While it does not answer
//! this node hears nobody, and keeps nothing.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use foldhash::fast::RandomState;
use futures_util::StreamExt as _;
use tokio::{sync::mpsc, time::timeout};

use super::{Inner, Scope, generations::Hearing, keys, shared};

/// Scopes that the others are told of at once: so many take a Redis a few milliseconds.
const TOLD_AT_ONCE: usize = 1000;

pub(super) struct Link {
    inner: Arc<Inner>,
    client: redis::Client,
    probe: Duration,
    untold: mpsc::UnboundedReceiver<Vec<Scope>>,
    /// Taken from `untold` and not delivered yet; at most one of each scope.
    owed: HashSet<Scope, RandomState>,
}

impl Link {
    pub(super) fn new(
        inner: Arc<Inner>,
        client: redis::Client,
        probe: Duration,
        untold: mpsc::UnboundedReceiver<Vec<Scope>>,
    ) -> Self {
        Self { inner, client, probe, untold, owed: HashSet::default() }
    }

    pub(super) fn start(mut self) {
        tokio::spawn(async move {
            loop {
                if let Err(error) = self.listen().await {
                    tracing::debug!(%error, "the link to the other nodes broke");
                }
                self.inner.up.store(false, Ordering::Relaxed);
                self.inner.generations.forget_all(Hearing::Nobody);
                self.take();
                tokio::time::sleep(self.probe).await;
            }
        });
    }

    /// Subscribes, and passes on what it hears, until the link breaks or falls silent.
    async fn listen(&mut self) -> redis::RedisResult<()> {
        let subscription = async {
            let mut subscription = self.client.get_async_pubsub().await?;
            subscription.subscribe(self.inner.key(keys::INVALIDATE)).await?;
            Ok(subscription)
        };
        let (mut sink, mut messages) = in_time(self.probe * 2, subscription).await?.split();
        let run = in_time(self.probe * 2, shared::run_id(self.inner.manager.clone())).await?;
        self.inner.run.store(Arc::new(run));
        self.deliver().await?;
        self.inner.generations.forget_all(Hearing::Others);
        self.inner.up.store(true, Ordering::Relaxed);
        tracing::info!("the link to Redis stands");
        let mut ticks = tokio::time::interval(self.probe);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.hear(&message.get_payload::<String>()?),
                    None => return Err(redis::RedisError::from((redis::ErrorKind::Io, "the subscription ended"))),
                },
                Some(scopes) = self.untold.recv() => {
                    self.owed.extend(scopes);
                    self.deliver().await?;
                }
                _ = ticks.tick() => {
                    in_time(self.probe, sink.ping::<redis::Value>()).await?;
                    self.deliver().await?;
                    self.inner.up.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    fn hear(&self, names: &str) {
        let scopes: Vec<Scope> = names.split(' ').filter_map(Scope::parse).collect();
        self.inner.generations.bump(&scopes);
    }

    /// Takes over what waits to be told: kept once each, however long nobody can be told.
    fn take(&mut self) {
        while let Ok(scopes) = self.untold.try_recv() {
            self.owed.extend(scopes);
        }
    }

    /// Tells the others what they could not be told before, some at a time: what they have heard is not owed any
    /// more, also where the link breaks before the rest. Also the proof that commands work.
    async fn deliver(&mut self) -> redis::RedisResult<()> {
        self.take();
        if self.owed.is_empty() && self.inner.up.load(Ordering::Relaxed) {
            return Ok(());
        }
        loop {
            let some: Vec<Scope> = self.owed.iter().copied().take(TOLD_AT_ONCE).collect();
            shared::tell(&self.inner, self.inner.manager.clone(), &some).await?;
            for scope in some {
                self.owed.remove(&scope);
            }
            if self.owed.is_empty() {
                return Ok(());
            }
        }
    }
}

async fn in_time<T>(limit: Duration, answer: impl Future<Output = redis::RedisResult<T>>) -> redis::RedisResult<T> {
    timeout(limit, answer)
        .await
        .unwrap_or_else(|_| Err(redis::RedisError::from((redis::ErrorKind::Io, "no answer in time"))))
}

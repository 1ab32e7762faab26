//! The count of requests since its last reset, over all nodes. It stands in Redis and is moved by the script
//! of the flush; a reset there is one moment for all nodes. Nodes remember the last one they heard of, so that
//! a Redis that was emptied does not bring back what was counted before it.

use super::{StatisticsAway, Tally};
use crate::{cache::keys, domain::ids::UserId};

/// A reset, and what a node had counted by then. The default: there was none yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reset {
    /// Rises from one to the next.
    pub(super) number: u64,
    /// Requests of this node that belong before it.
    pub(super) before: u64,
}

impl Reset {
    /// Remembers `heard`, if it is later: of two flushes the answers may come in any order.
    pub(super) const fn hear(&mut self, heard: Self) {
        if heard.number > self.number {
            *self = heard;
        }
    }
}

/// What Redis says to a flush.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flushed {
    /// Requests since the last reset, of all nodes.
    pub(super) since: u64,
    /// Microseconds since 1970, by the clock of Redis.
    pub(super) at: u64,
}

impl Tally {
    /// The requests that were answered since the last reset: all that this node has counted up to now, and of the
    /// others what they told last, 200 ms ago at most.
    ///
    /// # Errors
    /// Redis is away.
    pub async fn request_count(&self) -> Result<u64, StatisticsAway> {
        Ok(self.tell().await?.since)
    }

    /// Begins the count of requests anew, and writes who did so, and what was counted until then, to the log.
    /// What this node had counted before the call belongs before the reset; what another node counted belongs
    /// before it once that has told Redis, else after it. Each request is on one side.
    ///
    /// # Errors
    /// Redis is away, or does not answer in time: nothing was done, nor will be, unless the connection broke while
    /// the answer was under way. A second reset does no harm.
    pub async fn reset_request_count(&self, by: UserId) -> Result<(), StatisticsAway> {
        let begun = self.tell().await?;
        let cache = &self.inner.cache;
        let mut redis = cache.redis().ok_or(StatisticsAway(None))?;
        // Nobody waits for it longer than this: what Redis finds in its queue after a pause comes too late.
        let patience = u64::try_from(cache.timeout().as_micros()).unwrap_or(u64::MAX);
        let mut call = self.inner.reset.prepare_invoke();
        call.key(cache.key(keys::TOTALS)).arg(begun.at.saturating_add(patience));
        let counted: Option<u64> = call.invoke_async(&mut redis).await.map_err(|error| self.away(error))?;
        let requests = counted.ok_or(StatisticsAway(None))?;
        metrics::counter!("playhouse_request_count_resets_total").increment(1);
        tracing::info!(%by, requests, "the count of requests begins anew");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_reset_does_not_displace_a_later_one() {
        let mut heard = Reset::default();
        for (number, before, kept) in [(5, 10, (5, 10)), (3, 4, (5, 10)), (5, 12, (5, 10)), (6, 20, (6, 20))] {
            heard.hear(Reset { number, before });
            assert_eq!((heard.number, heard.before), kept);
        }
    }
}

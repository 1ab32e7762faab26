//! Work on a store that may be away: done again, with pauses, until it is done.

use std::{fmt::Debug, future::Future, time::Duration};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Does `work` until it succeeds. Each failure is logged as `what`. A process that ends before has not done it.
pub async fn until_done<T, E, W>(what: &'static str, mut work: impl FnMut() -> W) -> T
where
    E: Debug,
    W: Future<Output = Result<T, E>>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        match work().await {
            Ok(done) => return done,
            Err(error) => tracing::warn!(?error, "{what}"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

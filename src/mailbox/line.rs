//! The way to one actor that lives on an event loop: bounded, and with a deadline.

use std::time::Duration;

use actix::{Actor, Addr, Handler, MailboxError, Message, WeakAddr, dev::ToEnvelope};
use tokio::sync::Semaphore;

use super::AskError;

/// Those who may wait for one actor at a time.
const PLACES: usize = 32;

/// A handle on one actor, which it does not keep alive.
pub struct Line<A: Actor> {
    addr: WeakAddr<A>,
    places: Semaphore,
}

impl<A: Actor> Line<A> {
    /// The way to `addr`.
    #[must_use]
    pub fn to(addr: &Addr<A>) -> Self {
        Self { addr: addr.downgrade(), places: Semaphore::new(PLACES) }
    }

    /// Sends `message` and waits for its answer, at most for `deadline`.
    ///
    /// # Errors
    /// [`AskError::Full`]: too many wait for this actor; nothing was begun. [`AskError::Deadline`]: what had
    /// begun goes on, what had not never begins. [`AskError::Closed`]: the actor has ended, or panicked at
    /// this message or another.
    pub async fn ask<M>(&self, message: M, deadline: Duration) -> Result<M::Result, AskError>
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        let _place = self.places.try_acquire().map_err(|_| AskError::Full)?;
        let addr = self.addr.upgrade().ok_or(AskError::Closed)?;
        // An actor skips messages whose sender has left.
        match tokio::time::timeout(deadline, addr.send(message)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(MailboxError::Closed)) => Err(AskError::Closed),
            Ok(Err(MailboxError::Timeout)) | Err(_) => Err(AskError::Deadline),
        }
    }

    /// Sends `message` and does not wait; false where the actor has ended. For messages that are few.
    pub fn tell<M>(&self, message: M) -> bool
    where
        A: Handler<M>,
        A::Context: ToEnvelope<A, M>,
        M: Message + Send + 'static,
        M::Result: Send,
    {
        self.addr.upgrade().is_some_and(|addr| {
            addr.do_send(message);
            true
        })
    }

    /// Whether the actor still takes messages.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.addr.upgrade().is_some_and(|addr| addr.connected())
    }
}

#[cfg(test)]
mod tests {
    use actix::{AsyncContext as _, Context, WrapFuture as _};
    use futures_util::future::join_all;

    use super::*;

    struct Slow;

    impl Actor for Slow {
        type Context = Context<Self>;

        fn started(&mut self, context: &mut Self::Context) {
            // As a session does: what it has to do yet keeps it alive, nobody else does.
            context.run_later(Duration::from_mins(1), |_, _| ());
        }
    }

    struct Wait(Duration);

    impl Message for Wait {
        type Result = ();
    }

    impl Handler<Wait> for Slow {
        type Result = actix::AtomicResponse<Self, ()>;

        fn handle(&mut self, Wait(time): Wait, _: &mut Self::Context) -> Self::Result {
            assert!(time < Duration::from_secs(50), "on purpose");
            actix::AtomicResponse::new(Box::pin(async move { tokio::time::sleep(time).await }.into_actor(self)))
        }
    }

    const LONG: Duration = Duration::from_secs(5);

    #[actix_web::test]
    async fn an_actor_that_nobody_holds_is_reached_until_it_panics() {
        let line = Line::to(&Slow.start());
        for _ in 0..3 {
            assert_eq!(line.ask(Wait(Duration::ZERO), LONG).await, Ok(()));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(line.is_open());
        assert_eq!(line.ask(Wait(Duration::from_mins(1)), LONG).await, Err(AskError::Closed));
        assert!(!line.is_open());
        assert_eq!(line.ask(Wait(Duration::ZERO), LONG).await, Err(AskError::Closed));
    }

    #[actix_web::test]
    async fn those_who_are_too_many_are_refused_and_those_who_wait_too_long_leave() {
        let line = Line::to(&Slow.start());
        let asked = (0..=PLACES).map(|_| line.ask(Wait(Duration::from_millis(40)), Duration::from_millis(20)));
        let said = join_all(asked).await;
        assert_eq!(said.iter().filter(|said| **said == Err(AskError::Full)).count(), 1);
        assert_eq!(said.iter().filter(|said| **said == Err(AskError::Deadline)).count(), PLACES);
        // Only the first had begun: the others are not done behind it.
        let began = std::time::Instant::now();
        assert_eq!(line.ask(Wait(Duration::ZERO), LONG).await, Ok(()));
        assert!(began.elapsed() < Duration::from_millis(40 * 8), "{:?}", began.elapsed());
    }
}

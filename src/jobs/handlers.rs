//! Who does which job, and what happens when it does not work out.

use std::{error::Error, fmt, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt as _, future::BoxFuture};
use graphile_worker::{IntoTaskHandlerResult, TaskHandler, WorkerContext, WorkerOptions};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Job;

type Cause = Box<dyn Error + Send + Sync>;

/// Why a job was not done.
#[derive(Debug)]
pub enum Failure {
    /// It is tried again, later and later, as often as [`Job::ATTEMPTS`] says. `?` makes it of any error.
    Again(Cause),
    /// No further try can help: it is logged and forgotten.
    Final(Cause),
}

impl<E: Into<Cause>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Again(error.into())
    }
}

/// The handlers of this node's jobs; others' jobs are left to those who know them.
#[derive(Default)]
pub struct Handlers {
    all: Vec<Box<dyn Fn(WorkerOptions) -> WorkerOptions + Send + Sync>>,
}

impl Handlers {
    /// Adds the handler of one kind of job. `with` is what it works with: a handle, cloned for each job.
    #[must_use]
    pub fn on<J, C, F, W>(mut self, with: C, handler: F) -> Self
    where
        J: Job,
        C: Clone + Send + Sync + 'static,
        F: Fn(C, J) -> W + Send + Sync + 'static,
        W: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let call: Arc<Call<J>> = Arc::new(move |job| handler(with.clone(), job).boxed());
        self.all.push(Box::new(move |options| {
            options.add_extension(Handler { call: Arc::clone(&call) }).define_job::<Wrapped<J>>()
        }));
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Adds them to the options of a worker, of which there may be one after the other.
    pub(super) fn define(&self, options: WorkerOptions, deadline: Duration) -> WorkerOptions {
        self.all.iter().fold(options.add_extension(Deadline(deadline)), |options, define| define(options))
    }
}

type Call<J> = dyn Fn(J) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync;

/// Found by the worker by its type.
struct Handler<J> {
    call: Arc<Call<J>>,
}

impl<J> Clone for Handler<J> {
    fn clone(&self) -> Self {
        Self { call: Arc::clone(&self.call) }
    }
}

impl<J: Job> fmt::Debug for Handler<J> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(J::NAME)
    }
}

#[derive(Debug, Clone, Copy)]
struct Deadline(Duration);

/// What a worker takes from the queue: read as `J` only here, so that what cannot be read is told as any
/// other failure is.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct Wrapped<J> {
    payload: Value,
    #[serde(skip)]
    kind: std::marker::PhantomData<fn() -> J>,
}

impl<J: Job> TaskHandler for Wrapped<J> {
    const IDENTIFIER: &'static str = J::NAME;

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        let done = match serde_json::from_value(self.payload) {
            Ok(job) => call::<J>(&context, job).await,
            Err(error) => Err(error.into()),
        };
        match done {
            Ok(()) => Ok(()),
            Err(failure) => tell::<J>(&context, &failure),
        }
    }
}

async fn call<J: Job>(context: &WorkerContext, job: J) -> Result<(), Failure> {
    let (Some(handler), Some(Deadline(deadline))) = (context.get_ext::<Handler<J>>(), context.get_ext::<Deadline>())
    else {
        return Err("it has no handler here".into());
    };
    let work = AssertUnwindSafe((handler.call)(job)).catch_unwind();
    match tokio::time::timeout(*deadline, work).await {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => Err("its handler panicked".into()),
        Err(_) => Err("it took too long".into()),
    }
}

/// Logs a failure, once; gives back what the queue keeps of one that is tried again.
fn tell<J: Job>(context: &WorkerContext, failure: &Failure) -> Result<(), String> {
    let (id, attempt) = (context.job().id(), context.job().attempts());
    let (Failure::Again(cause) | Failure::Final(cause)) = failure;
    let cause = with_sources(cause.as_ref());
    match failure {
        Failure::Final(_) => {
            tracing::error!(job = J::NAME, id, cause, "a job is given up: no further try can help");
            Ok(())
        }
        Failure::Again(_) if attempt >= context.job().max_attempts() => {
            tracing::error!(job = J::NAME, id, attempt, cause, "a job is given up: this was its last try");
            Err(cause)
        }
        Failure::Again(_) => {
            tracing::warn!(job = J::NAME, id, attempt, cause, "a job failed, and will be tried again");
            Err(cause)
        }
    }
}

fn with_sources(error: &(dyn Error + 'static)) -> String {
    let sources = std::iter::successors(Some(error), |&error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

//! The database as the worker sees it: a failed look for jobs takes its time. While Postgres refuses connections
//! the library would look again at once, and again, and keep a whole core busy with it.

use std::{any::Any, time::Duration};

use graphile_worker::{
    BoxFuture, DatabaseDriver, DbError, DbExecutor, DbParams, DbRow, DbTransaction, NotificationStream,
    tokio_postgres::TokioPostgresDatabase,
};

/// How long a failed look takes at least.
const PAUSE: Duration = Duration::from_millis(300);

#[derive(Debug)]
pub(super) struct Patient(pub(super) TokioPostgresDatabase);

impl DbExecutor for Patient {
    fn execute<'a>(&'a self, sql: &'a str, params: DbParams) -> BoxFuture<'a, Result<u64, DbError>> {
        self.0.execute(sql, params)
    }

    fn fetch_all<'a>(&'a self, sql: &'a str, params: DbParams) -> BoxFuture<'a, Result<Vec<DbRow>, DbError>> {
        Box::pin(async move {
            let rows = self.0.fetch_all(sql, params).await;
            if rows.is_err() {
                tokio::time::sleep(PAUSE).await;
            }
            rows
        })
    }
}

impl DatabaseDriver for Patient {
    fn as_any(&self) -> &dyn Any {
        self.0.as_any()
    }

    fn begin(&self) -> BoxFuture<'_, Result<DbTransaction, DbError>> {
        self.0.begin()
    }

    fn listen<'a>(&'a self, channel: &'a str) -> BoxFuture<'a, Result<Option<NotificationStream>, DbError>> {
        self.0.listen(channel)
    }
}

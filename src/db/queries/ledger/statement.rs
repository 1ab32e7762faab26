//! A statement over columns of many rows: one text whatever their number, so Postgres keeps its plan.

use chrono::{DateTime, Utc};
use diesel::{
    deserialize::QueryableByName,
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, QueryFragment},
    sql_types::{Array, BigInt, Double, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use crate::db::untyped::untyped;

/// One value a row.
pub(super) enum Column {
    Ids(Vec<Uuid>),
    Texts(Vec<String>),
    Names(Vec<Option<String>>),
    Numbers(Vec<i64>),
    Seconds(Vec<f64>),
    Times(Vec<DateTime<Utc>>),
}

/// `text` with its columns as `$1`, `$2` …
pub(super) struct Statement {
    parts: Vec<&'static str>,
    columns: Vec<Column>,
}

impl Statement {
    /// `text` has a `{}` for each column.
    pub(super) fn new(text: &'static str, columns: Vec<Column>) -> Self {
        Self { parts: text.split("{}").collect(), columns }
    }

    pub(super) fn load<R: QueryableByName<Pg> + 'static>(self, conn: &mut PgConnection) -> QueryResult<Vec<R>> {
        RunQueryDsl::load(self, conn)
    }
}

impl QueryFragment<Pg> for Statement {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut columns = self.columns.iter();
        for part in &self.parts {
            out.push_sql(part);
            match columns.next() {
                Some(Column::Ids(ids)) => out.push_bind_param::<Array<SqlUuid>, _>(ids)?,
                Some(Column::Texts(texts)) => out.push_bind_param::<Array<Text>, _>(texts)?,
                Some(Column::Names(names)) => out.push_bind_param::<Array<Nullable<Text>>, _>(names)?,
                Some(Column::Numbers(numbers)) => out.push_bind_param::<Array<BigInt>, _>(numbers)?,
                Some(Column::Seconds(seconds)) => out.push_bind_param::<Array<Double>, _>(seconds)?,
                Some(Column::Times(times)) => out.push_bind_param::<Array<Timestamptz>, _>(times)?,
                None => {}
            }
        }
        Ok(())
    }
}

untyped!(Statement);

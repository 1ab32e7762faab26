//! What statements that are composed as text have in common: their columns are known by name alone, and their text
//! is no type that Diesel could keep by.

/// Makes a `QueryFragment<Pg>` a query whose rows are `QueryableByName`.
macro_rules! untyped {
    ($statement:ty) => {
        impl diesel::query_builder::QueryId for $statement {
            type QueryId = ();
            const HAS_STATIC_QUERY_ID: bool = false;
        }

        impl diesel::query_builder::Query for $statement {
            type SqlType = diesel::sql_types::Untyped;
        }

        impl diesel::RunQueryDsl<diesel::PgConnection> for $statement {}
    };
}

pub(in crate::db) use untyped;

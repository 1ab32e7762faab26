//! The statement behind every list: filters, search, order and place become SQL here and nowhere
//! else. Expressions come from the declarations (`domain::listing::Listing`); whatever a client
//! sent is bound, never written into the text.

use diesel::{
    PgConnection, QueryResult, QueryableByName,
    pg::Pg,
    query_builder::{AstPass, QueryFragment},
    sql_types::{Array, BigInt, Double, Nullable, Text, Timestamptz, Uuid as SqlUuid},
};
use uuid::Uuid;

use crate::{
    db::untyped::untyped,
    domain::listing::{
        Comparison, Cursor, Direction, FieldKind, Filter, KeyExpression, ListRequest, Listing, Page, Position, SortKey,
        Value,
    },
};

/// A condition that comes with the path (the children of a parent) or with the caller's rights.
/// `{}` in the text stands for the id.
#[derive(Debug, Clone, Copy)]
pub struct Narrow {
    /// A condition on `t`.
    pub condition: &'static str,
    /// What `{}` stands for.
    pub id: Uuid,
}

/// What a nested list hangs on.
#[derive(Debug, Clone, Copy)]
pub struct Parent {
    /// Gives one UUID where the parent is there, no row where not. `{}` stands for the id.
    pub lookup: &'static str,
    /// The id in the path.
    pub id: Uuid,
}

/// Reads the row of this id, as the listing shows it.
///
/// # Errors
/// Those of the database; `NotFound` where there is none.
pub fn find<R>(conn: &mut PgConnection, listing: &'static Listing, id: Uuid) -> QueryResult<R>
where
    R: QueryableByName<Pg> + 'static,
{
    find_where(conn, listing, Narrow { condition: "t.id = {}", id })
}

/// Reads the one row that `narrow` leaves.
///
/// # Errors
/// As [`find`].
pub fn find_where<R>(conn: &mut PgConnection, listing: &'static Listing, narrow: Narrow) -> QueryResult<R>
where
    R: QueryableByName<Pg> + 'static,
{
    let mut statement = Statement { keep: true, ..Statement::default() };
    statement.sql("SELECT ").sql(listing.columns).sql(" FROM ").sql(listing.table).sql(" t WHERE ");
    statement.template(narrow.condition, &Value::Id(narrow.id));
    statement.get_result(conn)
}

/// A list as it is read: a page of a listing, narrowed.
#[derive(Debug, Clone)]
pub struct ListQuery {
    /// The declaration.
    pub listing: &'static Listing,
    /// The page.
    pub request: ListRequest,
    /// Further conditions.
    pub narrow: Vec<Narrow>,
    /// Checked along with the total.
    pub parent: Option<Parent>,
}

/// The total of a list, and what its parent look-up gave.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct Extent {
    /// Rows in all.
    #[diesel(sql_type = BigInt)]
    pub total: i64,
    /// `None` where the parent is not there; the list's own marker where it has no parent.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub parent: Option<Uuid>,
}

/// A row of type `R` with the values of the sort keys, as text.
#[derive(Debug)]
struct Listed<R> {
    row: R,
    keys: Vec<String>,
}

impl<R: QueryableByName<Pg>> QueryableByName<Pg> for Listed<R> {
    fn build<'a>(row: &impl diesel::row::NamedRow<'a, Pg>) -> diesel::deserialize::Result<Self> {
        Ok(Self {
            row: R::build(row)?,
            keys: diesel::row::NamedRow::get::<Array<Text>, Vec<String>>(row, "cursor_keys")?,
        })
    }
}

impl ListQuery {
    /// Counts the rows and looks the parent up: one statement.
    ///
    /// # Errors
    /// Those of the database.
    pub fn extent(&self, conn: &mut PgConnection) -> QueryResult<Extent> {
        let mut statement = Statement::default();
        statement.sql("SELECT (SELECT count(*) FROM ").sql(self.listing.table).sql(" t");
        self.conditions(&mut statement);
        statement.sql(") AS total, ");
        match self.parent {
            Some(parent) => statement.sql("(").template(parent.lookup, &Value::Id(parent.id)).sql(")"),
            None => statement.bind(Value::Id(Uuid::nil())),
        };
        statement.sql(" AS parent");
        statement.keep = self.request.filters.len() <= 1;
        statement.get_result(conn)
    }

    /// As [`ListQuery::extent`]; but a page of a walk by cursor has the total that its first page was told, and only
    /// looks the parent up, if there is one. For lists that change too often for a kept total to be of use.
    ///
    /// # Errors
    /// Those of the database.
    pub fn extent_of_walk(&self, conn: &mut PgConnection) -> QueryResult<Extent> {
        let Some(total) = self.request.walk_total else { return self.extent(conn) };
        let Some(parent) = self.parent else { return Ok(Extent { total, parent: Some(Uuid::nil()) }) };
        let mut statement = Statement { keep: true, ..Statement::default() };
        statement.sql("SELECT ").bind_count(total).sql("::bigint AS total, (");
        statement.template(parent.lookup, &Value::Id(parent.id)).sql(") AS parent");
        statement.get_result(conn)
    }

    /// Which rows the list has, in one spelling: the same for lists with the same total.
    #[must_use]
    pub fn rows_spelling(&self) -> String {
        format!("{}?{:?}&{:?}{:?}", self.listing.table, self.narrow, self.request.filters, self.request.q)
    }

    /// Reads the page: one statement.
    ///
    /// # Errors
    /// Those of the database.
    pub fn page<R>(&self, conn: &mut PgConnection, total: i64) -> QueryResult<Page<R>>
    where
        R: QueryableByName<Pg> + 'static,
    {
        if let Position::Page(page) = self.request.position
            && i64::from(page - 1) * i64::from(self.request.limit) >= total.max(1)
        {
            return Ok(Page { items: Vec::new(), total: u64::try_from(total).unwrap_or(0), next: None });
        }
        let limit = usize::try_from(self.request.limit).unwrap_or(usize::MAX);
        let mut rows: Vec<Listed<R>> = self.rows_statement().load(conn)?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|last| Cursor {
            table: self.listing.table.to_owned(),
            spelling: self.request.spelling.clone(),
            keys: last.keys.clone(),
            total: Some(total),
        });
        Ok(Page {
            items: rows.into_iter().map(|listed| listed.row).collect(),
            total: u64::try_from(total).unwrap_or(0),
            next,
        })
    }

    fn rows_statement(&self) -> Statement {
        let request = &self.request;
        let mut statement = Statement::default();
        statement.sql("SELECT ").sql(self.listing.columns).sql(", ARRAY[");
        for (at, key) in request.sort.iter().enumerate() {
            statement.sql(if at == 0 { "(" } else { ", (" });
            self.key(&mut statement, key.key).sql(")::text");
        }
        statement.sql("] AS cursor_keys FROM ");
        match &request.position {
            Position::After(values) => self.rows_after(&mut statement, values),
            Position::Page(_) => {
                statement.sql(self.listing.table).sql(" t");
                self.conditions(&mut statement);
            }
        }
        self.order(&mut statement);
        if let Position::Page(page) = request.position
            && page > 1
        {
            statement.sql(" OFFSET ").bind_count(i64::from(page - 1) * i64::from(request.limit));
        }
        // A prepared statement lives as long as its connection: keep those that recur.
        statement.keep = request.sort.len() <= 2 && request.filters.len() <= 1;
        statement
    }

    fn conditions(&self, statement: &mut Statement) {
        statement.sql(" WHERE TRUE");
        for narrow in &self.narrow {
            statement.sql(" AND ").template(narrow.condition, &Value::Id(narrow.id));
        }
        for filter in &self.request.filters {
            condition(statement.sql(" AND "), filter);
        }
        if let (Some(q), Some(document)) = (&self.request.q, self.listing.search) {
            let q = Value::Text(q.clone());
            statement.sql(" AND (to_tsvector('simple', ").sql(document).sql(") @@ plainto_tsquery('simple', ");
            statement.bind(q.clone()).sql(") OR lower(").bind(q).sql(") <% lower(").sql(document).sql("))");
        }
    }

    fn key<'s>(&self, statement: &'s mut Statement, key: KeyExpression) -> &'s mut Statement {
        match (key, self.listing.search, &self.request.q) {
            (KeyExpression::Field(field), _, _) if field.kind == FieldKind::OptionalNumber => {
                statement.sql("coalesce(").sql(field.column).sql(", -1)")
            }
            (KeyExpression::Field(field), _, _) if field.kind == FieldKind::OptionalId => {
                statement.sql("coalesce(").sql(field.column).sql(", '00000000-0000-0000-0000-000000000000')")
            }
            (KeyExpression::Field(field), _, _) if field.kind == FieldKind::LongText => {
                statement.sql("left(").sql(field.column).sql(", 100)")
            }
            (KeyExpression::Field(field), _, _) => statement.sql(field.column),
            // Words that are there come before words that are like them, whose likeness costs more to tell.
            (KeyExpression::Rank, Some(document), Some(q)) => {
                let q = Value::Text(q.clone());
                statement.sql("(CASE WHEN to_tsvector('simple', ").sql(document);
                statement.sql(") @@ plainto_tsquery('simple', ").bind(q.clone());
                statement.sql(") THEN 1 + ts_rank(to_tsvector('simple', ").sql(document);
                statement.sql("), plainto_tsquery('simple', ").bind(q.clone());
                statement.sql(")) ELSE word_similarity(lower(").bind(q);
                statement.sql("), lower(").sql(document).sql(")) END)::float8")
            }
            (KeyExpression::Rank, _, _) => statement.sql("0::float8"),
        }
    }

    /// The rows behind the one with these values: those that equal it in all keys but the last,
    /// then in all but the last two, and so on. Each part is one range of an index, so a page costs
    /// the same wherever it lies and however many rows are equal in the first keys.
    fn rows_after(&self, statement: &mut Statement, values: &[Value]) {
        let keys: Vec<(&SortKey, &Value)> = self.request.sort.iter().zip(values).collect();
        statement.sql("(");
        for length in (1..=keys.len()).rev() {
            let (equal, last) = keys.split_at(length - 1);
            statement.sql("(SELECT t.* FROM ").sql(self.listing.table).sql(" t");
            self.conditions(statement);
            for (key, value) in equal {
                self.key(statement.sql(" AND "), key.key).sql(" = ").bind((*value).clone());
            }
            if let Some((key, value)) = last.first() {
                self.key(statement.sql(" AND "), key.key).sql(match key.direction {
                    Direction::Ascending => " > ",
                    Direction::Descending => " < ",
                });
                statement.bind((*value).clone());
            }
            self.order(statement);
            statement.sql(if length == 1 { ")" } else { ") UNION ALL " });
        }
        statement.sql(") t");
    }

    fn order(&self, statement: &mut Statement) {
        for (at, key) in self.request.sort.iter().enumerate() {
            statement.sql(if at == 0 { " ORDER BY " } else { ", " });
            self.key(statement, key.key).sql(match key.direction {
                Direction::Ascending => " ASC",
                Direction::Descending => " DESC",
            });
        }
        statement.sql(" LIMIT ").bind_count(i64::from(self.request.limit) + 1);
    }
}

fn condition(statement: &mut Statement, filter: &Filter) {
    if matches!(filter.field.kind, FieldKind::Link | FieldKind::Member) {
        statement.template(filter.field.column, &filter.value);
        return;
    }
    statement.sql(filter.field.column).sql(match filter.comparison {
        Comparison::Equal => " = ",
        Comparison::AtLeast => " >= ",
        Comparison::AtMost => " <= ",
    });
    match filter.field.kind {
        FieldKind::Text | FieldKind::LongText => statement.sql("lower(").bind(filter.value.clone()).sql(")"),
        FieldKind::Id
        | FieldKind::OptionalId
        | FieldKind::Number
        | FieldKind::OptionalNumber
        | FieldKind::Time
        | FieldKind::Link
        | FieldKind::Member => statement.bind(filter.value.clone()),
    };
}

/// SQL in pieces, with its values bound.
#[derive(Debug, Default)]
struct Statement {
    pieces: Vec<Piece>,
    /// Whether the connection keeps it prepared.
    keep: bool,
}

#[derive(Debug)]
enum Piece {
    Sql(&'static str),
    Value(Value),
    Count(i64),
}

impl Statement {
    fn sql(&mut self, text: &'static str) -> &mut Self {
        self.pieces.push(Piece::Sql(text));
        self
    }

    fn bind(&mut self, value: Value) -> &mut Self {
        self.pieces.push(Piece::Value(value));
        self
    }

    fn bind_count(&mut self, count: i64) -> &mut Self {
        self.pieces.push(Piece::Count(count));
        self
    }

    /// `text` with `value` bound at each `{}`.
    fn template(&mut self, text: &'static str, value: &Value) -> &mut Self {
        for (at, part) in text.split("{}").enumerate() {
            if at > 0 {
                self.bind(value.clone());
            }
            self.sql(part);
        }
        self
    }

    fn load<R: QueryableByName<Pg> + 'static>(self, conn: &mut PgConnection) -> QueryResult<Vec<R>> {
        diesel::RunQueryDsl::load(self, conn)
    }

    fn get_result<R: QueryableByName<Pg> + 'static>(self, conn: &mut PgConnection) -> QueryResult<R> {
        diesel::RunQueryDsl::get_result(self, conn)
    }
}

impl QueryFragment<Pg> for Statement {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        if !self.keep {
            out.unsafe_to_cache_prepared();
        }
        for piece in &self.pieces {
            match piece {
                Piece::Sql(text) => out.push_sql(text),
                Piece::Count(count) => out.push_bind_param::<BigInt, _>(count)?,
                Piece::Value(Value::Id(id)) => out.push_bind_param::<SqlUuid, _>(id)?,
                Piece::Value(Value::Text(text)) => out.push_bind_param::<Text, _>(text)?,
                Piece::Value(Value::Number(number)) => out.push_bind_param::<Double, _>(number)?,
                Piece::Value(Value::Time(time)) => out.push_bind_param::<Timestamptz, _>(time)?,
            }
        }
        Ok(())
    }
}

untyped!(Statement);

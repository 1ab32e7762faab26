//! Lists: what may be filtered, sorted and searched, declared once per resource, and what a query
//! string asks of it. The same declaration serves parsing, the statement, the API description and
//! the error message.

mod cursor;
mod parse;

use chrono::{DateTime, Utc};
pub use cursor::Cursor;
pub use parse::parse;
use uuid::Uuid;

/// Rows on a page where `limit` is absent.
pub const DEFAULT_LIMIT: u32 = 10;
/// Most rows on a page.
pub const LARGEST_LIMIT: u32 = 100;
/// Highest page number; beyond it a cursor is the way.
pub const LARGEST_PAGE: u32 = 100_000_000;
/// Most keys in `sort`.
pub const MOST_SORT_KEYS: usize = 4;

/// What the values of a field are, which decides how it may be filtered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// A UUID: equality.
    Id,
    /// A UUID that may be absent: as [`FieldKind::Id`]; rows without one sort before all others and satisfy no
    /// filter.
    OptionalId,
    /// Text: equality without regard to case.
    Text,
    /// Text that can be long: as [`FieldKind::Text`], sorted by its first 100 characters.
    LongText,
    /// A number: equality and ranges.
    Number,
    /// A number, from 0, that may be absent: as [`FieldKind::Number`]; rows without one sort before all others
    /// and satisfy no filter.
    OptionalNumber,
    /// A point in time: equality and ranges.
    Time,
    /// Equality with one of several ids that the row has: not sortable.
    Link,
    /// Equality with one of several words that the row has: not sortable.
    Member,
}

impl FieldKind {
    /// Whether `_gte` and `_lte` exist.
    #[must_use]
    pub const fn has_ranges(self) -> bool {
        match self {
            Self::Number | Self::OptionalNumber | Self::Time => true,
            Self::Id | Self::OptionalId | Self::Text | Self::LongText | Self::Link | Self::Member => false,
        }
    }

    /// Whether `sort` takes the field.
    #[must_use]
    pub const fn is_sortable(self) -> bool {
        match self {
            Self::Number
            | Self::OptionalNumber
            | Self::Time
            | Self::Id
            | Self::OptionalId
            | Self::Text
            | Self::LongText => true,
            Self::Link | Self::Member => false,
        }
    }
}

/// A field of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// The name on the wire.
    pub name: &'static str,
    /// What its values are.
    pub kind: FieldKind,
    /// How the database calls it; never null but in a [`FieldKind::OptionalNumber`] or
    /// [`FieldKind::OptionalId`]. In a [`FieldKind::Link`] or [`FieldKind::Member`], `{}` stands for the value.
    pub column: &'static str,
}

/// What can be asked of a list. The listed table is `t` in every expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing {
    /// The table.
    pub table: &'static str,
    /// What is read of each row.
    pub columns: &'static str,
    /// The first is `id`.
    pub fields: &'static [Field],
    /// The text that `q` searches, where it is taken.
    pub search: Option<&'static str>,
}

impl Listing {
    /// The field of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A value to compare with, of the field's kind.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Value {
    Id(Uuid),
    Text(String),
    Number(f64),
    Time(DateTime<Utc>),
}

/// How a filter compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Comparison {
    Equal,
    AtLeast,
    AtMost,
}

/// One condition on the rows.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Filter {
    pub field: &'static Field,
    pub comparison: Comparison,
    pub value: Value,
}

/// Which way a key sorts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Direction {
    Ascending,
    Descending,
}

/// One key of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct SortKey {
    pub key: KeyExpression,
    pub direction: Direction,
}

/// What a sort key compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyExpression {
    /// A field.
    Field(&'static Field),
    /// How well the row answers `q`.
    Rank,
}

impl KeyExpression {
    /// The kind of the key's values.
    #[must_use]
    pub const fn kind(self) -> FieldKind {
        match self {
            Self::Field(field) => field.kind,
            Self::Rank => FieldKind::Number,
        }
    }
}

/// Where in a list a page begins.
#[derive(Debug, Clone, PartialEq)]
pub enum Position {
    /// By number, from 1.
    Page(u32),
    /// After the row with these values of the sort keys.
    After(Vec<Value>),
}

/// A page that is asked for; valid for the listing it was parsed with.
#[derive(Debug, Clone, PartialEq)]
pub struct ListRequest {
    /// All of them must hold.
    pub filters: Vec<Filter>,
    /// Words to search.
    pub q: Option<String>,
    /// The order, complete: the last key is unique.
    pub sort: Vec<SortKey>,
    /// Where the page begins.
    pub position: Position,
    /// Rows at most.
    pub limit: u32,
    /// Filters, `q` and `sort` as they came, in one spelling: the same for the same list.
    pub spelling: String,
    /// The total that the cursor brings along, as the client sent it: worth no more than what is told to that client.
    pub walk_total: Option<i64>,
}

impl ListRequest {
    /// The parameters that decide which rows are in the list and in which order.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, String)> {
        // Written by `parse`: it reads back.
        serde_json::from_str(&self.spelling).unwrap_or_default()
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The rows, in order.
    pub items: Vec<T>,
    /// Rows in the whole list.
    pub total: u64,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

impl<T> Page<T> {
    /// The same page with its rows turned into something else.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(turn).collect(), total: self.total, next: self.next }
    }
}

/// A query parameter that was refused, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct WrongParameter {
    pub name: String,
    pub message: String,
}

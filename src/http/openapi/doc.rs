//! What an operation's handler says of it for the description.

use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema};

use crate::{domain::listing::Listing, http::body::Body};

/// What the description says of an operation beside its method, path and caller.
#[derive(Clone)]
pub struct Doc {
    pub(super) summary: &'static str,
    pub(super) status: u16,
    pub(super) body: Option<Taken>,
    pub(super) data: Option<Schema>,
    pub(super) list: List,
    pub(super) query: &'static [Parameter],
    pub(super) content: &'static str,
    pub(super) refusals: &'static [(u16, &'static str)],
}

/// What an operation takes as its body.
#[derive(Clone)]
pub(super) struct Taken {
    /// Its type.
    pub(super) kind: &'static str,
    pub(super) schema: Value,
    /// Whether a body that does not say that it is of this type is refused for that alone.
    pub(super) must_say: bool,
}

/// Whether an operation gives one thing or many.
#[derive(Clone, Copy)]
pub(super) enum List {
    /// One.
    No,
    /// Many, by the parameters of a listing.
    Queried(&'static Listing),
    /// Many, by the parameters of a listing but a cursor; where no page is asked for, up to so many.
    WholeOrPaged(&'static Listing, u32),
    /// Many, by page and limit alone.
    Paged,
    /// Many, by limit alone: there is one page.
    Limited,
    /// Many, all at once.
    Whole,
}

/// A parameter of the query that is no list's.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What may be given.
    pub values: Values,
    /// What holds where it is not given.
    pub unless: Unless<'static>,
}

/// What holds where a parameter is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unless<'a> {
    /// It must be.
    Wrong,
    /// It is taken for this.
    Is(&'a str),
    /// Nothing is asked.
    Nothing,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// One of these words.
    Words(&'static [&'static str]),
    /// A whole number from 1 to this.
    UpTo(u32),
    /// One of these numbers.
    Numbers(&'static [u32]),
    /// A UUID.
    Id,
}

/// A schema with its name.
#[derive(Clone)]
pub(super) struct Schema {
    pub(super) name: String,
    pub(super) value: Value,
    pub(super) others: Vec<(String, Value)>,
}

/// The description of an operation that does what `summary` says.
#[must_use]
pub const fn doc(summary: &'static str) -> Doc {
    Doc {
        summary,
        status: 200,
        body: None,
        data: None,
        list: List::No,
        query: &[],
        content: "application/json",
        refusals: &[],
    }
}

impl Doc {
    /// The body is a `T`.
    #[must_use]
    pub fn takes<T: Body>(mut self) -> Self {
        self.body = Some(Taken { kind: "application/json", schema: T::schema(), must_say: true });
        self
    }

    /// The body is a form with one file.
    #[must_use]
    pub fn takes_file(self) -> Self {
        self.takes_form(&json!({
            "file": {"type": "string", "contentMediaType": "application/octet-stream"},
            "type": {"type": "string", "enum": ["image", "video", "audio", "subtitle", "other"]},
        }))
    }

    /// The body is a form with one file, of a kind that the operation says.
    #[must_use]
    pub fn takes_image(self) -> Self {
        self.takes_form(&json!({"file": {"type": "string", "contentMediaType": "application/octet-stream"}}))
    }

    fn takes_form(mut self, parts: &Value) -> Self {
        let schema = json!({"type": "object", "required": ["file"], "properties": parts});
        self.body = Some(Taken { kind: "multipart/form-data", schema, must_say: true });
        self
    }

    /// Answers 204.
    #[must_use]
    pub const fn answers_nothing(mut self) -> Self {
        self.status = 204;
        self
    }

    /// Answers with a `T` in `data`.
    #[must_use]
    pub fn gives<T: ToSchema + PartialSchema>(mut self) -> Self {
        let mut others = Vec::new();
        T::schemas(&mut others);
        let value = |schema| serde_json::to_value(schema).unwrap_or_default();
        self.data = Some(Schema {
            name: T::name().into_owned(),
            value: value(T::schema()),
            others: others.into_iter().map(|(name, schema)| (name, value(schema))).collect(),
        });
        self
    }

    /// Answers 201.
    #[must_use]
    pub const fn creates(mut self) -> Self {
        self.status = 201;
        self
    }

    /// Answers with a page of what it gives, by the parameters of `listing`.
    #[must_use]
    pub const fn lists(mut self, listing: &'static Listing) -> Self {
        self.list = List::Queried(listing);
        self
    }

    /// Answers with a page of what it gives, by the parameters of `listing`; where no page is asked for, with up to
    /// `most`.
    #[must_use]
    pub const fn lists_whole(mut self, listing: &'static Listing, most: u32) -> Self {
        self.list = List::WholeOrPaged(listing, most);
        self
    }

    /// Answers with a page of what it gives, by `page` and `limit`.
    #[must_use]
    pub const fn pages(mut self) -> Self {
        self.list = List::Paged;
        self
    }

    /// Answers with one page of what it gives, by `limit`.
    #[must_use]
    pub const fn limited(mut self) -> Self {
        self.list = List::Limited;
        self
    }

    /// Answers with all of what it gives, on one page.
    #[must_use]
    pub const fn whole(mut self) -> Self {
        self.list = List::Whole;
        self
    }

    /// Takes these parameters, and no other.
    #[must_use]
    pub const fn asks(mut self, query: &'static [Parameter]) -> Self {
        self.query = query;
        self
    }

    /// The body is the bytes of a file of this type, which they show whatever is said of them.
    #[must_use]
    pub fn takes_bytes(mut self, kind: &'static str) -> Self {
        self.body = Some(Taken { kind, schema: json!({}), must_say: false });
        self
    }

    /// Refuses with these statuses too, each with when; said in place of what all operations say of it.
    #[must_use]
    pub const fn refuses(mut self, refusals: &'static [(u16, &'static str)]) -> Self {
        self.refusals = refusals;
        self
    }

    /// Answers with something other than JSON.
    #[must_use]
    pub const fn content(mut self, content: &'static str) -> Self {
        self.content = content;
        self
    }
}

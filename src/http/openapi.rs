//! The API description (OpenAPI 3.1), made from the routes themselves.

use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

use super::{
    access::Needs,
    body::Body,
    contract::{Contract, Shape},
    routes::{Operation, Routes},
};
use crate::domain::listing::{DEFAULT_LIMIT, FieldKind, LARGEST_LIMIT, LARGEST_PAGE, Listing};

/// What the description says of an operation beside its method, path and caller.
#[derive(Clone)]
pub struct Doc {
    summary: &'static str,
    status: u16,
    body: Option<Value>,
    data: Option<Schema>,
    list: List,
    content: &'static str,
    refusals: &'static [(u16, &'static str)],
}

/// Whether an operation gives one thing or many.
#[derive(Clone, Copy)]
enum List {
    /// One.
    No,
    /// Many, by the parameters of a listing.
    Queried(&'static Listing),
    /// Many, by page and limit alone.
    Paged,
}

/// A schema with its name.
#[derive(Clone)]
struct Schema {
    name: String,
    value: Value,
    others: Vec<(String, Value)>,
}

/// The description of an operation that does what `summary` says.
#[must_use]
pub const fn doc(summary: &'static str) -> Doc {
    Doc { summary, status: 200, body: None, data: None, list: List::No, content: "application/json", refusals: &[] }
}

impl Doc {
    /// The body is a `T`.
    #[must_use]
    pub fn takes<T: Body>(mut self) -> Self {
        self.body = Some(json!({"application/json": {"schema": T::schema()}}));
        self
    }

    /// The body is a form with one file.
    #[must_use]
    pub fn takes_file(mut self) -> Self {
        self.body = Some(json!({"multipart/form-data": {"schema": {
            "type": "object",
            "required": ["file"],
            "properties": {
                "file": {"type": "string", "contentMediaType": "application/octet-stream"},
                "type": {"type": "string", "enum": ["image", "video", "audio", "subtitle", "other"]},
            },
        }}}));
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

    /// Answers with a page of what it gives, by `page` and `limit`.
    #[must_use]
    pub const fn pages(mut self) -> Self {
        self.list = List::Paged;
        self
    }

    /// The body is the bytes of a file of this type.
    #[must_use]
    pub fn takes_bytes(mut self, kind: &str) -> Self {
        self.body = Some(json!({kind: {"schema": {}}}));
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

/// The whole description.
#[must_use]
pub fn document(contracts: &[Routes]) -> Value {
    let mut paths = Map::new();
    let mut schemas = Map::new();
    for contract in contracts {
        for operation in &contract.operations {
            let item = paths.entry(operation.path).or_insert_with(|| json!({}));
            if let Value::Object(item) = item {
                item.insert(operation.method.as_str().to_lowercase(), describe(contract.contract, operation));
            }
            if let Some(schema) = &operation.doc.data {
                schemas.insert(schema.name.clone(), schema.value.clone());
                schemas.extend(schema.others.iter().cloned());
            }
        }
    }
    schemas.insert(error_name(Shape::Envelope).to_owned(), error_schema());
    let words = json!({"type": ["string", "object"], "description": "A word, or an object that names what is wrong"});
    schemas.insert(
        error_name(Shape::Response).to_owned(),
        json!({"type": "object", "required": ["response"], "properties": {"response": words}}),
    );
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Playhouse",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "A streaming media backend: several HTTP contracts over one catalogue.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    })
}

fn describe(contract: Contract, operation: &Operation) -> Value {
    let doc = &operation.doc;
    let mut text = Map::new();
    text.insert("tags".to_owned(), json!([contract.name()]));
    text.insert("summary".to_owned(), json!(doc.summary));
    text.insert("operationId".to_owned(), json!(operation_id(operation)));
    let (security, needs) = match operation.needs {
        Needs::Nothing => (json!([]), String::from("Anyone may call.")),
        Needs::Account => (json!([{"bearer": []}]), String::from("Any account may call.")),
        Needs::Permission(permission) => {
            (json!([{"bearer": []}]), format!("Needs the permission `{}`.", permission.name()))
        }
    };
    text.insert("security".to_owned(), security);
    text.insert("description".to_owned(), json!(needs));
    let parameters: Vec<Value> = path_parameters(operation.path).chain(list_parameters(doc.list)).collect();
    text.insert("parameters".to_owned(), json!(parameters));
    if let Some(body) = &doc.body {
        text.insert("requestBody".to_owned(), json!({"required": true, "content": body}));
    }
    text.insert("responses".to_owned(), responses(contract.shape(), operation));
    Value::Object(text)
}

fn operation_id(operation: &Operation) -> String {
    let path = operation.path.replace(['{', '}'], "").replace('/', "_");
    format!("{}{path}", operation.method.as_str().to_lowercase())
}

fn path_parameters(path: &str) -> impl Iterator<Item = Value> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).map(|name| {
        let schema = if name == "id" { json!({"type": "string", "format": "uuid"}) } else { json!({"type": "string"}) };
        json!({"name": name, "in": "path", "required": true, "schema": schema})
    })
}

fn list_parameters(list: List) -> Vec<Value> {
    let whole =
        |largest: u32, default: u32| json!({"type": "integer", "minimum": 1, "maximum": largest, "default": default});
    let query = |name: String, schema: Value, text: &str| json!({"name": name, "in": "query", "schema": schema, "description": text});
    let mut all = vec![
        query("page".to_owned(), whole(LARGEST_PAGE, 1), "From 1."),
        query("limit".to_owned(), whole(LARGEST_LIMIT, DEFAULT_LIMIT), "Rows on the page."),
    ];
    match list {
        List::No => Vec::new(),
        List::Paged => all,
        List::Queried(listing) => {
            all.extend([
                query(
                    "cursor".to_owned(),
                    json!({"type": "string"}),
                    "From `pagination.next_cursor`, in place of `page`.",
                ),
                query(
                    "sort".to_owned(),
                    json!({"type": "string", "examples": ["-name,+id"]}),
                    "Fields, `-` descending.",
                ),
            ]);
            if listing.search.is_some() {
                all.push(query("q".to_owned(), json!({"type": "string"}), "Full text, tolerant of typing errors."));
            }
            for field in listing.fields {
                let schema = match field.kind {
                    FieldKind::Id | FieldKind::Link => json!({"type": "string", "format": "uuid"}),
                    FieldKind::Text | FieldKind::LongText | FieldKind::Member => json!({"type": "string"}),
                    FieldKind::Number | FieldKind::OptionalNumber => json!({"type": "number"}),
                    FieldKind::Time => json!({"type": "string", "format": "date-time"}),
                };
                all.push(query(field.name.to_owned(), schema.clone(), "Equals."));
                if field.kind.has_ranges() {
                    all.push(query(format!("{}_gte", field.name), schema.clone(), "At least."));
                    all.push(query(format!("{}_lte", field.name), schema, "At most."));
                }
            }
            all
        }
    }
}

fn responses(shape: Shape, operation: &Operation) -> Value {
    let doc = &operation.doc;
    let error = json!({"content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{}", error_name(shape))}}}});
    let mut all = Map::new();
    let schema = match (&doc.data, doc.content) {
        (data, "application/json") => match shape {
            Shape::Envelope => envelope(data.as_ref(), !matches!(doc.list, List::No)),
            Shape::Response => response(data.as_ref(), !matches!(doc.list, List::No)),
        },
        _ => json!({}),
    };
    all.insert(
        doc.status.to_string(),
        json!({"description": doc.summary, "content": {doc.content: {"schema": schema}}}),
    );
    let mut refuse = |status: &str, text: &str| {
        let mut response = error.clone();
        if let Value::Object(response) = &mut response {
            response.insert("description".to_owned(), json!(text));
        }
        all.insert(status.to_owned(), response);
    };
    if doc.body.is_some() || !matches!(doc.list, List::No) {
        refuse("400", "Something sent is wrong; the answer names it");
    }
    match (operation.needs, shape) {
        (Needs::Nothing, _) => {}
        (Needs::Account | Needs::Permission(_), Shape::Envelope) => {
            refuse("401", "No token, or one that does not hold");
        }
        (Needs::Account | Needs::Permission(_), Shape::Response) => {
            refuse("400", "No token, an altered one, or something else sent is wrong; the answer names it");
            refuse("401", "The token has expired, or was ended");
        }
    }
    if matches!(operation.needs, Needs::Permission(_)) {
        refuse("403", "The right is missing");
    }
    if operation.path.contains('{') && shape == Shape::Envelope {
        refuse("404", "Not there");
    }
    refuse("503", "A store that is needed is away, or maintenance; see Retry-After");
    for (status, when) in doc.refusals {
        refuse(&status.to_string(), when);
    }
    Value::Object(all)
}

fn envelope(data: Option<&Schema>, is_list: bool) -> Value {
    let mut properties = json!({
        "status": {"type": "integer"},
        "response": {"type": "string"},
        "message": {"type": "string"},
    });
    if let (Value::Object(properties), Some(data)) = (&mut properties, data) {
        let one = json!({"$ref": format!("#/components/schemas/{}", data.name)});
        if is_list {
            properties.insert("data".to_owned(), json!({"type": "array", "items": one}));
            properties.insert(
                "pagination".to_owned(),
                json!({"type": "object", "properties": {
                    "page": {"type": ["integer", "null"]},
                    "limit": {"type": "integer"},
                    "total": {"type": "integer"},
                    "pages": {"type": "integer"},
                    "next_cursor": {"type": ["string", "null"]},
                }}),
            );
        } else {
            properties.insert("data".to_owned(), one);
        }
    }
    json!({"type": "object", "properties": properties})
}

const fn error_name(shape: Shape) -> &'static str {
    match shape {
        Shape::Envelope => "Error",
        Shape::Response => "ResponseError",
    }
}

fn response(data: Option<&Schema>, is_list: bool) -> Value {
    let one = data.map(|data| json!({"$ref": format!("#/components/schemas/{}", data.name)}));
    let schema = match one {
        Some(one) if is_list => json!({"type": "array", "items": one}),
        Some(one) => one,
        None => json!({"type": "string"}),
    };
    json!({"type": "object", "required": ["response"], "properties": {"response": schema}})
}

fn error_schema() -> Value {
    json!({
        "type": "object",
        "required": ["status", "response", "message"],
        "properties": {
            "status": {"type": "integer"},
            "response": {"type": "string"},
            "message": {"type": "string"},
            "errors": {"type": "array", "items": {"type": "object", "properties": {
                "field": {"type": "string"},
                "message": {"type": "string"},
            }}},
        },
    })
}

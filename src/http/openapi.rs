//! The API description (OpenAPI 3.1), made from the routes themselves.

mod doc;

use serde_json::{Map, Value, json};

pub use self::doc::{Doc, Parameter, Unless, Values, doc};
use self::doc::{List, Schema};
use super::{
    access::Needs,
    contract::{Contract, Shape},
    error::ApiError,
    routes::{Operation, Routes},
};
use crate::domain::listing::{DEFAULT_LIMIT, FieldKind, LARGEST_LIMIT, LARGEST_PAGE, Listing};

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
    schemas.insert(error_name(Shape::Detail).to_owned(), detail_schema());
    schemas.insert(
        error_name(Shape::Error).to_owned(),
        json!({"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}),
    );
    schemas.insert(error_name(Shape::Success).to_owned(), success_error_schema());
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
        Needs::AccountIfAny(permission) => (
            json!([{}, {"bearer": []}]),
            format!(
                "Anyone may call; who sends a token calls as its account. An API key needs `{}`.",
                permission.name()
            ),
        ),
        Needs::Account => (json!([{"bearer": []}]), String::from("Any account may call.")),
        Needs::Person => (json!([{"bearer": []}]), String::from("Any account may call, but no API key.")),
        Needs::PersonOr(permission) => {
            (json!([{"bearer": []}]), format!("Any account may call. An API key needs `{}`.", permission.name()))
        }
        Needs::Permission(permission) => {
            (json!([{"bearer": []}]), format!("Needs the permission `{}`.", permission.name()))
        }
        Needs::Either(one, other) => {
            (json!([{"bearer": []}]), format!("Needs the permission `{}` or `{}`.", one.name(), other.name()))
        }
    };
    text.insert("security".to_owned(), security);
    text.insert("description".to_owned(), json!(needs));
    let parameters = path_parameters(contract, operation.path).chain(list_parameters(doc.list));
    let parameters: Vec<Value> = parameters.chain(doc.query.iter().map(query_parameter)).collect();
    text.insert("parameters".to_owned(), json!(parameters));
    if let Some(body) = &doc.body {
        let content = json!({body.kind: {"schema": body.schema}});
        text.insert("requestBody".to_owned(), json!({"required": true, "content": content}));
    }
    text.insert("responses".to_owned(), responses(contract, operation));
    Value::Object(text)
}

fn operation_id(operation: &Operation) -> String {
    let path = operation.path.replace(['{', '}'], "").replace('/', "_");
    format!("{}{path}", operation.method.as_str().to_lowercase())
}

/// What stands in a variable segment of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    /// A number; what is none names nothing.
    Number,
    /// A UUID; what is none is wrong.
    Id,
    /// What the operation says.
    Word,
}

/// The variable segments of a path, by their names.
fn variables(contract: Contract, path: &str) -> impl Iterator<Item = (&str, Variable)> {
    path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).map(move |name| {
        let variable = match (name, contract) {
            ("id", Contract::Casting) => Variable::Number,
            ("id" | "session", _) => Variable::Id,
            _ => Variable::Word,
        };
        (name, variable)
    })
}

fn path_parameters(contract: Contract, path: &str) -> impl Iterator<Item = Value> {
    variables(contract, path).map(|(name, variable)| {
        let schema = match variable {
            Variable::Number => json!({"type": "integer", "minimum": 1, "maximum": i32::MAX}),
            Variable::Id => json!({"type": "string", "format": "uuid"}),
            Variable::Word => json!({"type": "string"}),
        };
        json!({"name": name, "in": "path", "required": true, "schema": schema})
    })
}

fn query_parameter(parameter: &Parameter) -> Value {
    let mut schema = match parameter.values {
        Values::Words(words) => json!({"type": "string", "enum": words}),
        Values::UpTo(most) => json!({"type": "integer", "minimum": 1, "maximum": most}),
        Values::Numbers(numbers) => json!({"type": "integer", "enum": numbers}),
        Values::Id => json!({"type": "string", "format": "uuid"}),
    };
    if let (Unless::Is(default), Value::Object(schema)) = (parameter.unless, &mut schema) {
        let default = match parameter.values {
            Values::Words(_) | Values::Id => json!(default),
            Values::UpTo(_) | Values::Numbers(_) => serde_json::from_str(default).unwrap_or_default(),
        };
        schema.insert("default".to_owned(), default);
    }
    json!({"name": parameter.name, "in": "query", "required": matches!(parameter.unless, Unless::Wrong), "schema": schema})
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
        List::No | List::Whole => Vec::new(),
        List::Paged => all,
        List::Limited => all.split_off(1),
        List::Queried(listing) => {
            all.push(query(
                "cursor".to_owned(),
                json!({"type": "string"}),
                "From `pagination.next_cursor`, in place of `page`.",
            ));
            all.extend(listing_parameters(listing));
            all
        }
        List::WholeOrPaged(listing, most) => {
            let text = format!("Without `page` and `limit`: all, up to {most}.");
            all.iter_mut().filter_map(Value::as_object_mut).for_each(|parameter| {
                parameter.insert("description".to_owned(), json!(text));
            });
            all.extend(listing_parameters(listing));
            all
        }
    }
}

/// The order, the search and the filters of a listing.
fn listing_parameters(listing: &Listing) -> Vec<Value> {
    let query = |name: String, schema: Value, text: &str| json!({"name": name, "in": "query", "schema": schema, "description": text});
    let sort = json!({"type": "string", "examples": ["-name,+id"]});
    let mut all = vec![query("sort".to_owned(), sort, "Fields, `-` descending.")];
    if listing.search.is_some() {
        all.push(query("q".to_owned(), json!({"type": "string"}), "Full text, tolerant of typing errors."));
    }
    for field in listing.fields {
        let schema = match field.kind {
            FieldKind::Id | FieldKind::OptionalId | FieldKind::Link => json!({"type": "string", "format": "uuid"}),
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

fn responses(contract: Contract, operation: &Operation) -> Value {
    let (shape, doc) = (contract.shape(), &operation.doc);
    let error = json!({"content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{}", error_name(shape))}}}});
    let mut all = Map::new();
    let schema = match (&doc.data, doc.content) {
        (data, "application/json") => match shape {
            Shape::Envelope => envelope(data.as_ref(), doc.list),
            Shape::Response => response(data.as_ref(), !matches!(doc.list, List::No)),
            Shape::Detail | Shape::Error | Shape::Success => plain(data.as_ref()),
        },
        _ => json!({}),
    };
    let answer = if doc.status == 204 {
        json!({"description": doc.summary})
    } else {
        json!({"description": doc.summary, "content": {doc.content: {"schema": schema}}})
    };
    all.insert(doc.status.to_string(), answer);
    let mut refuse = |status: &str, text: &str| {
        let mut response = error.clone();
        if let Value::Object(response) = &mut response {
            response.insert("description".to_owned(), json!(text));
        }
        all.insert(status.to_owned(), response);
    };
    let has_id = variables(contract, operation.path).any(|(_, variable)| variable == Variable::Id);
    if doc.body.is_some() || has_id || !matches!(doc.list, List::No) || !doc.query.is_empty() {
        refuse("400", "Something sent is wrong; the answer names it");
    }
    if let Some(body) = &doc.body {
        refuse("408", "The body did not arrive in time");
        refuse("413", "The body is too large");
        if body.must_say && tells_a_wrong_type(contract) {
            refuse("415", "The body is of another type");
        }
    }
    match (operation.needs, shape) {
        (Needs::Nothing, _) => {}
        (Needs::AccountIfAny(_), _) => refuse("401", "A token that does not hold"),
        (_, Shape::Success) => refuse("401", "No token, one that does not hold, or the right is missing"),
        (_, Shape::Envelope | Shape::Detail | Shape::Error) => {
            refuse("401", "No token, or one that does not hold");
        }
        (_, Shape::Response) => {
            refuse("400", "No token, an altered one, or something else sent is wrong; the answer names it");
            refuse("401", "The token has expired, or was ended");
        }
    }
    if !matches!(operation.needs, Needs::Nothing | Needs::Account) && shape != Shape::Success {
        refuse("403", "The right is missing");
    }
    if operation.path.contains('{') && shape != Shape::Response {
        refuse("404", "Not there");
    }
    if shape == Shape::Error {
        refuse("500", "A store that is needed is away");
        refuse("503", "Maintenance; see Retry-After");
    } else {
        refuse("503", "A store that is needed is away, or maintenance; see Retry-After");
    }
    for (status, when) in doc.refusals {
        refuse(&status.to_string(), when);
    }
    Value::Object(all)
}

/// Whether a body of a wrong type has its own status in this contract.
fn tells_a_wrong_type(contract: Contract) -> bool {
    let wrong = ApiError::UnsupportedMediaType(String::new());
    contract.refusal(&wrong).is_none_or(|refusal| refusal.status == wrong.status())
}

fn envelope(data: Option<&Schema>, list: List) -> Value {
    let mut properties = json!({
        "status": {"type": "integer"},
        "response": {"type": "string"},
        "message": {"type": "string"},
    });
    if let (Value::Object(properties), Some(data)) = (&mut properties, data) {
        let one = json!({"$ref": format!("#/components/schemas/{}", data.name)});
        let data = if matches!(list, List::No) { one } else { json!({"type": "array", "items": one}) };
        properties.insert("data".to_owned(), data);
        if matches!(list, List::Queried(_) | List::Paged) {
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
        }
    }
    json!({"type": "object", "properties": properties})
}

const fn error_name(shape: Shape) -> &'static str {
    match shape {
        Shape::Envelope => "Error",
        Shape::Response => "ResponseError",
        Shape::Detail => "DetailError",
        Shape::Error => "PlainError",
        Shape::Success => "SuccessError",
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

fn plain(data: Option<&Schema>) -> Value {
    data.map_or_else(|| json!({}), |data| json!({"$ref": format!("#/components/schemas/{}", data.name)}))
}

/// `{"detail": …}`, or each wrong field with what is wrong with it.
fn detail_schema() -> Value {
    json!({
        "type": "object",
        "properties": {"detail": {"type": "string"}},
        "additionalProperties": {"type": "array", "items": {"type": "string"}},
    })
}

/// `success` is false.
fn success_error_schema() -> Value {
    json!({
        "type": "object",
        "required": ["success", "error", "message"],
        "properties": {
            "success": {"type": "boolean", "const": false},
            "error": {"type": "integer"},
            "message": {"type": "string"},
        },
    })
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

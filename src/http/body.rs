//! JSON bodies: read within limits, and checked field by field so that every wrong one is named at
//! once (a derive stops at the first). Unknown fields are wrong fields.

mod arrival;
mod kind;
mod values;

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use serde_json::{Map, Value, json};
use uuid::Uuid;

pub use self::{
    arrival::{BodySize, declared_length},
    values::Described,
};
use super::error::{ApiError, FieldError, MOST_ERRORS, Rule};

/// Something a body can be read into.
pub trait Body: Sized + Send + 'static {
    /// How large it may be.
    const SIZE: BodySize = BodySize::Ordinary;

    /// Reads the fields; what is wrong is noted in `fields`. `None` only where something is.
    fn read(fields: &mut Fields) -> Option<Self>;

    /// Its schema for the API description.
    fn schema() -> Value;
}

/// A value of a field.
pub trait FieldValue: Sized {
    /// Takes the value.
    ///
    /// # Errors
    /// The rule it breaks, in words.
    fn parse(value: &Value) -> Result<Self, String>;

    /// As [`FieldValue::parse`]; a value of many parts names every rule that they break.
    ///
    /// # Errors
    /// The rules it breaks, in words.
    fn parse_parts(value: &Value) -> Result<Self, Vec<String>> {
        Self::parse(value).map_err(|rule| vec![rule])
    }

    /// Its schema.
    fn schema() -> Value;
}

/// The fields of a body, taken one by one.
pub struct Fields {
    map: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    /// A field that must be there.
    pub fn required<T: FieldValue>(&mut self, name: &str) -> Option<T> {
        let Some(value) = self.map.remove(name) else {
            self.errors.push(FieldError::missing(name));
            return None;
        };
        self.parsed(name, &value)
    }

    /// A field that may be absent or null. The outer `None`: it is wrong.
    pub fn optional<T: FieldValue>(&mut self, name: &str) -> Option<Option<T>> {
        match self.map.remove(name) {
            None | Some(Value::Null) => Some(None),
            Some(value) => self.parsed(name, &value).map(Some),
        }
    }

    /// A field that may be absent, but not null: there is nothing to change it to.
    pub fn changed<T: FieldValue>(&mut self, name: &str) -> Option<Option<T>> {
        match self.map.remove(name) {
            None => Some(None),
            Some(value) => self.parsed(name, &value).map(Some),
        }
    }

    /// A field that may be absent, or null to clear it.
    pub fn clearable<T: FieldValue>(&mut self, name: &str) -> Option<Option<Option<T>>> {
        match self.map.remove(name) {
            None => Some(None),
            Some(Value::Null) => Some(Some(None)),
            Some(value) => self.parsed(name, &value).map(|value| Some(Some(value))),
        }
    }

    /// Notes that `name` is wrong.
    pub fn refuse(&mut self, name: &str, message: impl Into<String>) {
        self.errors.push(FieldError::new(name, message));
    }

    fn parsed<T: FieldValue>(&mut self, name: &str, value: &Value) -> Option<T> {
        let refused = |messages: Vec<String>| {
            let rule = if kind::fits(value, &T::schema()) { Rule::Possible } else { Rule::Valid };
            self.errors.extend(messages.into_iter().map(|message| FieldError::breaking(rule, name, message)));
        };
        T::parse_parts(value).map_err(refused).ok()
    }

    /// Reads a whole body.
    ///
    /// # Errors
    /// Every wrong, missing and unknown field.
    pub fn read<T: Body>(map: Map<String, Value>) -> Result<T, ApiError> {
        let mut fields = Self { map, errors: Vec::new() };
        let body = T::read(&mut fields);
        let Self { map, mut errors } = fields;
        errors.extend(map.into_iter().map(|(name, _)| FieldError::new(name, "is unknown")));
        match body {
            Some(body) if errors.is_empty() => Ok(body),
            _ => Err(ApiError::Invalid(errors)),
        }
    }
}

/// A JSON body of type `T`.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: Body> FromRequest for Json<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move { arrival::read(&request, payload).await.map(Self) })
    }
}

/// The elements of an array of objects.
///
/// # Errors
/// All that is wrong with them, by place (from 0) and field.
pub fn elements<T: Body>(value: &Value) -> Result<Vec<T>, Vec<String>> {
    let values = value.as_array().ok_or_else(|| vec!["must be an array".to_owned()])?;
    let (mut elements, mut wrong) = (Vec::with_capacity(values.len().min(1024)), Vec::new());
    for (at, value) in values.iter().enumerate() {
        // More are not told.
        if wrong.len() >= MOST_ERRORS {
            break;
        }
        match value.as_object().map(|map| Fields::read(map.clone())) {
            Some(Ok(element)) => elements.push(element),
            Some(Err(ApiError::Invalid(errors))) => {
                wrong.extend(errors.into_iter().map(|error| format!("{at}: {} {}", error.field, error.message)));
            }
            Some(Err(error)) => wrong.push(format!("{at}: {error}")),
            None => wrong.push(format!("{at}: must be an object")),
        }
    }
    if wrong.is_empty() { Ok(elements) } else { Err(wrong) }
}

/// Declares how a struct is read from a body: `how field, …;` with the methods of [`Fields`]; before that, in
/// brackets, its [`BodySize`] where it is not the ordinary one.
#[macro_export]
macro_rules! body {
    ($name:ident $([$size:ident])? { $($how:ident $field:ident),+ $(,)? }) => {
        impl $crate::http::body::Body for $name {
            $(const SIZE: $crate::http::body::BodySize = $crate::http::body::BodySize::$size;)?

            fn read(fields: &mut $crate::http::body::Fields) -> Option<Self> {
                // All are read before the first `?`, so that all that are wrong are noted.
                $(let $field = fields.$how(stringify!($field));)+
                Some(Self { $($field: $field?,)+ })
            }

            fn schema() -> serde_json::Value {
                let mut required: Vec<&str> = Vec::new();
                let mut properties = serde_json::Map::new();
                $(
                    properties.insert(
                        stringify!($field).to_owned(),
                        $crate::http::body::property(stringify!($how), |body: &Self| &body.$field),
                    );
                    if stringify!($how) == "required" {
                        required.push(stringify!($field));
                    }
                )+
                serde_json::json!({
                    "type": "object",
                    "required": required,
                    "properties": properties,
                    "additionalProperties": false,
                })
            }
        }
    };
}

/// The schema of the field that `pick` picks; null is allowed where it clears.
pub fn property<S, T: Described>(how: &str, pick: fn(&S) -> &T) -> Value {
    let _ = pick;
    let mut schema = T::described();
    if let (Value::Object(schema), "clearable" | "optional") = (&mut schema, how)
        && let Some(kind) = schema.get("type").cloned()
    {
        schema.insert("type".to_owned(), json!([kind, "null"]));
    }
    schema
}

/// An id in the path.
///
/// # Errors
/// 400 that names it.
pub fn path_id<T: From<Uuid>>(request: &HttpRequest, name: &str) -> Result<T, ApiError> {
    let text = request.match_info().get(name).unwrap_or_default();
    (text.len() == uuid::fmt::Hyphenated::LENGTH)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
        .map(T::from)
        .ok_or_else(|| ApiError::field(name, "must be a UUID"))
}

/// A text in the path, percent-decoded (RFC 3986 §2.1).
///
/// # Errors
/// 400 that names it: not UTF-8, or with a NUL.
pub fn path_text(request: &HttpRequest, name: &str) -> Result<String, ApiError> {
    let decoded = |text| percent_encoding::percent_decode_str(text).decode_utf8();
    // The router has put U+FFFD for what is no text; the path as it came still shows it.
    let came = decoded(request.uri().path()).map(|_| request.match_info().get(name).unwrap_or_default());
    match came.and_then(decoded) {
        Ok(text) if !text.contains('\0') => Ok(text.into_owned()),
        _ => Err(ApiError::field(name, "must be UTF-8 text without a NUL character")),
    }
}

/// The `{id}` of the path.
#[derive(Debug, Clone, Copy)]
pub struct Id<T>(pub T);

impl<T: From<Uuid>> FromRequest for Id<T> {
    type Error = ApiError;
    type Future = std::future::Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(path_id(request, "id").map(Self))
    }
}

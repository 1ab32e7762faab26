//! From a query string to a [`ListRequest`]; every wrong parameter is named at once.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use uuid::Uuid;

use super::{
    Comparison, Cursor, DEFAULT_LIMIT, Direction, Field, FieldKind, Filter, KeyExpression, LARGEST_LIMIT, LARGEST_PAGE,
    ListRequest, Listing, MOST_SORT_KEYS, Position, SortKey, Value, WrongParameter,
};

/// Longest text of a filter or of `q`, in characters.
const LONGEST_TEXT: usize = 1000;

/// Reads the decoded pairs of a query string.
///
/// # Errors
/// Every parameter that is unknown, given twice or malformed.
pub fn parse(listing: &'static Listing, pairs: &[(String, String)]) -> Result<ListRequest, Vec<WrongParameter>> {
    let mut reader = Reader::new(listing);
    for (name, value) in pairs {
        if let Err(message) = reader.take(name, value) {
            reader.wrong.push(WrongParameter { name: name.clone(), message });
        }
    }
    reader.finish()
}

struct Reader {
    listing: &'static Listing,
    seen: Vec<String>,
    shape: Shape,
    page: Option<u32>,
    limit: Option<u32>,
    cursor: Option<Cursor>,
    wrong: Vec<WrongParameter>,
}

/// What decides which rows are in the list and in which order.
#[derive(Default)]
struct Shape {
    filters: Vec<Filter>,
    q: Option<String>,
    sort: Vec<SortKey>,
    /// The parameters, as they came but for what makes no difference.
    pairs: Vec<(String, String)>,
}

impl Reader {
    const fn new(listing: &'static Listing) -> Self {
        Self {
            listing,
            seen: Vec::new(),
            shape: Shape { filters: Vec::new(), q: None, sort: Vec::new(), pairs: Vec::new() },
            page: None,
            limit: None,
            cursor: None,
            wrong: Vec::new(),
        }
    }

    fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        if self.seen.iter().any(|seen| seen == name) {
            return Err("is given twice".to_owned());
        }
        self.seen.push(name.to_owned());
        match name {
            "page" => self.page = Some(whole(value, LARGEST_PAGE)?),
            "limit" => self.limit = Some(whole(value, LARGEST_LIMIT)?),
            "cursor" => {
                self.cursor = Some(
                    Cursor::decode(value)
                        .filter(|cursor| cursor.table == self.listing.table)
                        .ok_or("is not a cursor of this list")?,
                );
            }
            _ => self.shape.take(self.listing, name, value)?,
        }
        Ok(())
    }

    fn finish(mut self) -> Result<ListRequest, Vec<WrongParameter>> {
        if self.page.is_some() && self.cursor.is_some() {
            self.wrong
                .push(WrongParameter { name: "cursor".to_owned(), message: "cannot be combined with page".to_owned() });
        }
        if !self.wrong.is_empty() {
            return Err(self.wrong);
        }
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        match self.cursor {
            None => Ok(self.shape.request(self.listing, Position::Page(self.page.unwrap_or(1)), limit)),
            Some(cursor) => continue_from(self.listing, self.shape, &cursor, limit).ok_or_else(|| {
                vec![WrongParameter {
                    name: "cursor".to_owned(),
                    message: "belongs to another list: repeat its filters and sort, or leave them out".to_owned(),
                }]
            }),
        }
    }
}

impl Shape {
    fn take(&mut self, listing: &'static Listing, name: &str, value: &str) -> Result<(), String> {
        let mut spelling = value.to_owned();
        match name {
            "sort" => {
                self.sort = sort(listing, value)?;
                // `+` is said in three ways, and not at all.
                spelling =
                    value.split(',').map(|part| part.trim_start_matches(['+', ' '])).collect::<Vec<_>>().join(",");
            }
            "q" if listing.search.is_some() => self.q = Some(text(value)?),
            _ => self.filters.push(filter(listing, name, value)?),
        }
        self.pairs.push((name.to_owned(), spelling));
        Ok(())
    }

    fn request(mut self, listing: &'static Listing, position: Position, limit: u32) -> ListRequest {
        self.pairs.sort();
        let spelling = serde_json::to_string(&self.pairs).unwrap_or_default();
        let sort = complete(listing, self.sort, self.q.is_some());
        ListRequest { filters: self.filters, q: self.q, sort, position, limit, spelling, walk_total: None }
    }
}

/// The order with the keys that make it unique.
fn complete(listing: &'static Listing, mut sort: Vec<SortKey>, searching: bool) -> Vec<SortKey> {
    if sort.is_empty() && searching {
        sort.push(SortKey { key: KeyExpression::Rank, direction: Direction::Descending });
    }
    let by_id = |key: &SortKey| matches!(key.key, KeyExpression::Field(field) if field.name == "id");
    if let Some(at) = sort.iter().position(by_id) {
        sort.truncate(at + 1);
    } else if let Some(id) = listing.field("id") {
        sort.push(SortKey { key: KeyExpression::Field(id), direction: Direction::Ascending });
    }
    sort
}

/// The list that `cursor` was handed out for, from where it stopped.
fn continue_from(listing: &'static Listing, given: Shape, cursor: &Cursor, limit: u32) -> Option<ListRequest> {
    let mut shape = Shape::default();
    let pairs: Vec<(String, String)> = serde_json::from_str(&cursor.spelling).ok()?;
    for (name, value) in &pairs {
        shape.take(listing, name, value).ok()?;
    }
    let mut request = shape.request(listing, Position::Page(1), limit);
    if !given.pairs.is_empty() && given.request(listing, Position::Page(1), limit).spelling != request.spelling {
        return None;
    }
    if cursor.keys.len() != request.sort.len() {
        return None;
    }
    let keys = request.sort.iter().zip(&cursor.keys).map(|(key, value)| key_value(key.key.kind(), value));
    request.position = Position::After(keys.collect::<Option<Vec<_>>>()?);
    request.walk_total = cursor.total;
    Some(request)
}

/// A sort key's value as the database writes it.
fn key_value(kind: FieldKind, value: &str) -> Option<Value> {
    match kind {
        FieldKind::Id | FieldKind::OptionalId => Uuid::parse_str(value).ok().map(Value::Id),
        FieldKind::Text | FieldKind::LongText => (!value.contains('\0')).then(|| Value::Text(value.to_owned())),
        FieldKind::Number | FieldKind::OptionalNumber => {
            value.parse().ok().filter(|number: &f64| number.is_finite()).map(Value::Number)
        }
        FieldKind::Time => time(value).map(Value::Time),
        FieldKind::Link | FieldKind::Member => None,
    }
}

fn whole(value: &str, largest: u32) -> Result<u32, String> {
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| value.parse().ok())
        .flatten()
        .filter(|number| (1..=largest).contains(number))
        .ok_or_else(|| format!("must be a whole number from 1 to {largest}"))
}

fn text(value: &str) -> Result<String, String> {
    if value.contains('\0') {
        return Err("must not contain a NUL character".to_owned());
    }
    if value.chars().count() > LONGEST_TEXT {
        return Err(format!("must have {LONGEST_TEXT} characters at most"));
    }
    Ok(value.to_owned())
}

fn sort(listing: &'static Listing, value: &str) -> Result<Vec<SortKey>, String> {
    let mut keys: Vec<SortKey> = Vec::new();
    for part in value.split(',') {
        // A `+` in a query string arrives as a space.
        let (direction, name) = match part.as_bytes().first() {
            Some(b'-') => (Direction::Descending, part.get(1..).unwrap_or_default()),
            Some(b'+' | b' ') => (Direction::Ascending, part.get(1..).unwrap_or_default()),
            _ => (Direction::Ascending, part),
        };
        let field = listing.field(name).filter(|field| field.kind.is_sortable());
        let Some(field) = field else { return Err(unsortable(listing, name)) };
        let key = KeyExpression::Field(field);
        if keys.iter().any(|known| known.key == key) {
            return Err(format!("names '{name}' twice"));
        }
        keys.push(SortKey { key, direction });
    }
    if keys.len() > MOST_SORT_KEYS {
        return Err(format!("takes {MOST_SORT_KEYS} fields at most"));
    }
    Ok(keys)
}

fn unsortable(listing: &Listing, name: &str) -> String {
    let names: Vec<&str> =
        listing.fields.iter().filter(|field| field.kind.is_sortable()).map(|field| field.name).collect();
    let name: String = name.chars().take(100).collect();
    format!("cannot sort by '{name}'; sortable are {}", names.join(", "))
}

fn filter(listing: &'static Listing, name: &str, value: &str) -> Result<Filter, String> {
    let (field, comparison) = match listing.field(name) {
        Some(field) => (field, Comparison::Equal),
        None => range(listing, name).ok_or_else(|| unknown(listing))?,
    };
    let value = field_value(field, value)?;
    Ok(Filter { field, comparison, value })
}

fn range(listing: &'static Listing, name: &str) -> Option<(&'static Field, Comparison)> {
    let (name, comparison) = match (name.strip_suffix("_gte"), name.strip_suffix("_lte")) {
        (Some(name), _) => (name, Comparison::AtLeast),
        (_, Some(name)) => (name, Comparison::AtMost),
        (None, None) => return None,
    };
    listing.field(name).filter(|field| field.kind.has_ranges()).map(|field| (field, comparison))
}

fn unknown(listing: &Listing) -> String {
    let fields: Vec<&str> = listing.fields.iter().map(|field| field.name).collect();
    let q = if listing.search.is_some() { ", q" } else { "" };
    format!("is unknown; this list takes page, limit, cursor, sort{q} and the fields {}", fields.join(", "))
}

fn field_value(field: &Field, value: &str) -> Result<Value, String> {
    match field.kind {
        FieldKind::Id | FieldKind::OptionalId | FieldKind::Link => {
            Uuid::try_parse(value).map(Value::Id).map_err(|_| "must be a UUID".to_owned())
        }
        FieldKind::Text | FieldKind::LongText | FieldKind::Member => text(value).map(Value::Text),
        FieldKind::Number | FieldKind::OptionalNumber => value
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .map(Value::Number)
            .ok_or_else(|| "must be a number".to_owned()),
        FieldKind::Time => {
            time(value).map(Value::Time).ok_or_else(|| "must be a time (RFC 3339) or a day (YYYY-MM-DD)".to_owned())
        }
    }
}

/// RFC 3339, with a space for the `+` of an offset (and for the `T`); or a day, from its start.
fn time(value: &str) -> Option<DateTime<Utc>> {
    let parsed = if value.len() == 10 {
        NaiveDate::parse_from_str(value, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN).and_utc()
    } else {
        moment(value)?
    };
    // Postgres' calendar ends; far before that, so do ours and RFC 3339's.
    let years = chrono::Datelike::year(&parsed);
    (1..=9999).contains(&years).then_some(parsed)
}

fn moment(value: &str) -> Option<DateTime<Utc>> {
    let repaired = match value.rsplit_once(' ') {
        Some((time, offset)) if time.contains(':') => format!("{time}+{offset}"),
        _ => value.to_owned(),
    };
    let parsed = DateTime::parse_from_rfc3339(&repaired)
        .or_else(|_| DateTime::parse_from_str(&repaired, "%Y-%m-%d %H:%M:%S%.f%#z"))
        .ok()?;
    Some(parsed.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTING: Listing = Listing {
        table: "things",
        columns: "t.*",
        fields: &[
            Field { name: "id", kind: FieldKind::Id, column: "t.id" },
            Field { name: "name", kind: FieldKind::Text, column: "lower(t.name)" },
            Field { name: "rating", kind: FieldKind::Number, column: "t.rating" },
            Field { name: "createdAt", kind: FieldKind::Time, column: "t.created_at" },
            Field { name: "genre_id", kind: FieldKind::Link, column: "t.id IN ({})" },
        ],
        search: Some("t.name"),
    };

    fn ask(pairs: &[(&str, &str)]) -> Result<ListRequest, Vec<String>> {
        static STATIC: Listing = LISTING;
        let pairs: Vec<_> = pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        parse(&STATIC, &pairs).map_err(|wrong| wrong.into_iter().map(|w| w.name).collect())
    }

    fn order(sort: &str) -> Vec<(String, Direction)> {
        ask(&[("sort", sort)])
            .unwrap()
            .sort
            .into_iter()
            .map(|key| match key.key {
                KeyExpression::Field(field) => (field.name.to_owned(), key.direction),
                KeyExpression::Rank => ("rank".to_owned(), key.direction),
            })
            .collect()
    }

    #[test]
    fn plus_space_and_nothing_mean_ascending_and_id_ends_the_order() {
        let name_then_id = vec![("name".to_owned(), Direction::Ascending), ("id".to_owned(), Direction::Ascending)];
        for spelling in ["name", "+name", " name"] {
            assert_eq!(order(spelling), name_then_id, "{spelling}");
        }
        assert_eq!(order("-name,rating").len(), 3);
        assert_eq!(order("-id,name").len(), 1);
    }

    #[test]
    fn every_wrong_parameter_is_named() {
        let wrong = ask(&[
            ("page", "0"),
            ("limit", "1000"),
            ("sort", "id;DROP"),
            ("genre_id", "x"),
            ("rating_gte", "NaN"),
            ("colour", "red"),
            ("name", "a\0b"),
            ("createdAt_lte", "yesterday"),
        ])
        .unwrap_err();
        assert_eq!(wrong, ["page", "limit", "sort", "genre_id", "rating_gte", "colour", "name", "createdAt_lte"]);
        for wrong in [
            [("page", "9223372036854775808")],
            [("page", "-1")],
            [("page", "+1")],
            [("name_gte", "a")],
            [("sort", "genre_id")],
            [("sort", "name,name")],
            [("sort", "")],
            [("cursor", "AAAA")],
        ] {
            assert!(ask(&wrong).is_err(), "{wrong:?}");
        }
        assert!(ask(&[("page", "1"), ("page", "2")]).is_err());
    }

    #[test]
    fn times_take_days_offsets_and_a_lost_plus() {
        for value in ["2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00 00:00"] {
            assert_eq!(time(value).map(|t| t.timestamp()), Some(1_767_225_600), "{value}");
        }
        assert_eq!(time("2026-01-01 00:00:00.5+00").map(|t| t.timestamp_millis()), Some(1_767_225_600_500));
    }

    #[test]
    fn a_cursor_goes_on_with_its_own_list_only() {
        let first = ask(&[("sort", "-name"), ("rating_gte", "5")]).unwrap();
        let cursor = Cursor {
            table: "things".to_owned(),
            spelling: first.spelling.clone(),
            keys: vec!["b".to_owned(), Uuid::nil().to_string()],
            total: Some(7),
        };
        let encoded = cursor.encode();
        let next = ask(&[("cursor", &encoded)]).unwrap();
        assert_eq!(next.filters, first.filters);
        assert_eq!((first.walk_total, next.walk_total), (None, Some(7)));
        assert_eq!(next.position, Position::After(vec![Value::Text("b".to_owned()), Value::Id(Uuid::nil())]));
        assert_eq!(ask(&[("cursor", &encoded), ("rating_gte", "5"), ("sort", "-name")]).unwrap(), next);
        assert!(ask(&[("cursor", &encoded), ("rating_gte", "6")]).is_err());
        assert!(ask(&[("cursor", &encoded), ("page", "2")]).is_err());
        let elsewhere = Cursor { table: "other".to_owned(), ..cursor.clone() };
        assert!(ask(&[("cursor", &elsewhere.encode())]).is_err());
        let bent = Cursor { keys: vec!["b".to_owned(), "1; DROP".to_owned()], ..cursor };
        assert!(ask(&[("cursor", &bent.encode())]).is_err());
    }
}

//! Whether a value is of the type that a schema asks for: what tells a wrongly typed field from one of the right type
//! whose value cannot be.

use serde_json::Value;

/// Whether `value` is of the type of `schema`, its elements too. Says nothing of lengths, ranges and forms.
pub(super) fn fits(value: &Value, schema: &Value) -> bool {
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("number") => value.is_number(),
        Some("integer") => is_whole(value),
        Some("array") => value.as_array().is_some_and(|elements| {
            schema.get("items").is_none_or(|items| elements.iter().all(|element| fits(element, items)))
        }),
        Some("object") => value.is_object(),
        _ => true,
    }
}

/// Whole numbers as they are written, without a point; also one that is too large for any of our types.
fn is_whole(value: &Value) -> bool {
    const SMALLEST_NOT_HELD: f64 = 9_223_372_036_854_775_808.0;
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.abs() >= SMALLEST_NOT_HELD)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_fits_by_its_type_alone() {
        let whole = json!({"type": "integer", "minimum": 0, "maximum": 150});
        for (value, fitting) in [
            ("23", true),
            ("-1", true),
            ("9223372036854775808", true),
            ("99999999999999999999", true),
            ("-99999999999999999999", true),
            ("23.5", false),
            ("23.0", false),
            ("\"23\"", false),
            ("null", false),
            ("true", false),
            ("[23]", false),
        ] {
            assert_eq!(fits(&serde_json::from_str(value).unwrap(), &whole), fitting, "{value}");
        }
        let list = json!({"type": "array", "items": whole});
        for (value, fitting) in [
            (json!([]), true),
            (json!([0, -5]), true),
            (json!([1, "2"]), false),
            (json!([[1]]), false),
            (json!({"0": 1}), false),
            (json!("1"), false),
        ] {
            assert_eq!(fits(&value, &list), fitting, "{value}");
        }
        assert!(fits(&json!(""), &json!({"type": "string", "minLength": 1})));
        assert!(!fits(&json!(1), &json!({"type": "string"})));
        assert!(fits(&json!(1.5), &json!({"type": "number"})) && !fits(&json!("1"), &json!({"type": "number"})));
        assert!(fits(&json!(true), &json!({"type": "boolean"})) && !fits(&json!(1), &json!({"type": "boolean"})));
        assert!(fits(&json!({}), &json!({"type": "object"})) && !fits(&json!([]), &json!({"type": "object"})));
    }
}

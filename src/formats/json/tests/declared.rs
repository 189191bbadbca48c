//! Declared columns: what fits them, and the reason where something does not.

use super::*;

const NUMERIC: SqlType = SqlType::Numeric { precision: 5, scale: 2 };

/// What a column of this type makes of a JSON value: its text, or the reason of the reject.
fn read(data_type: &SqlType, json: &str) -> Result<Option<String>, String> {
    let decoder = JsonDecoder::new(&declared(&[("x", data_type.clone())]), SchemaMode::Evolve, false);
    // Once before a shape is learned, and once led by it.
    let record = format!(r#"{{"x":{json}}}"#);
    let outcome = decode(decoder, &[&["{\"x\":null}", &record, &record]]);
    assert_eq!(outcome.columns.len(), 1, "a declared column has no siblings");
    match outcome.rejects.as_slice() {
        [] => {
            assert_eq!(outcome.rows[1], outcome.rows[2]);
            Ok(outcome.rows[1].get("x").cloned())
        }
        [first, second] => {
            assert_eq!(first.reason, second.reason);
            Err(first.reason.clone())
        }
        _ => panic!("{outcome:?}"),
    }
}

#[test]
fn values_that_fit() {
    let bigints = SqlType::Array(Box::new(SqlType::BigInt));
    for (data_type, json, expected) in [
        (SqlType::Boolean, "true", "true"),
        (SqlType::SmallInt, "-32768", "-32768"),
        (SqlType::Integer, "1e3", "1000"),
        (SqlType::Integer, "2.0", "2"),
        (SqlType::BigInt, "9223372036854775807", "9223372036854775807"),
        (SqlType::BigInt, "-9223372036854775808", "-9223372036854775808"),
        (SqlType::Real, "0.1", "0.1"),
        (SqlType::Real, "16777216", "16777216.0"),
        (SqlType::Double, "5", "5.0"),
        (SqlType::Double, "1e300", "1e300"),
        (SqlType::Double, "0.12345678901234567890123", "0.12345678901234568"),
        (SqlType::Double, "1152921504606846976", "1.152921504606847e18"),
        (NUMERIC, "123.45", "123.45"),
        (NUMERIC, "\"-999.99\"", "-999.99"),
        (NUMERIC, "1e2", "100.00"),
        (SqlType::Text, r#""a\u00e9\ud83d\ude00\u0000\"""#, "aé😀\0\""),
        (SqlType::Json, r#""a\/b""#, r#""a\/b""#),
        (SqlType::Json, "1.50", "1.50"),
        (SqlType::Json, "[ 1 ]", "[ 1 ]"),
        (SqlType::Bytea, "\"AP8=\"", "00ff"),
        (SqlType::Date, "\"2026-01-31\"", "2026-01-31"),
        (SqlType::Time, "\"23:59:59.5\"", "23:59:59.500"),
        (SqlType::Timestamp, "\"2026-01-31 23:59:59.25\"", "2026-01-31T23:59:59.250"),
        (SqlType::Timestamp, "\"2026-01-31T23:59:59Z\"", "2026-01-31T23:59:59"),
        (SqlType::TimestampTz, "\"2026-01-31T23:59:59-01:00\"", "2026-02-01T00:59:59Z"),
        (SqlType::Interval, "\"1 day\"", "1 days"),
        (bigints.clone(), "[1, null, 2]", "[1, , 2]"),
        (bigints.clone(), "[]", "[]"),
        (SqlType::Array(Box::new(bigints)), "[[1],[]]", "[[1], []]"),
    ] {
        assert_eq!(read(&data_type, json), Ok(Some(expected.to_string())), "{data_type} {json}");
        assert_eq!(read(&data_type, "null"), Ok(None));
    }
}

#[test]
fn values_that_do_not_fit_reject_the_record() {
    let bigints = SqlType::Array(Box::new(SqlType::BigInt));
    for (data_type, json, has) in [
        (SqlType::BigInt, "\"abc\"", "text \"abc\""),
        (SqlType::BigInt, "1.5", "number 1.5"),
        (SqlType::BigInt, "9223372036854775808", "number 9223372036854775808"),
        (SqlType::SmallInt, "32768", "number 32768"),
        (SqlType::Integer, "true", "boolean true"),
        (SqlType::Boolean, "1", "number 1"),
        (SqlType::Boolean, "\"true\"", "text \"true\""),
        (SqlType::Double, "9007199254740993", "number 9007199254740993"),
        (SqlType::Double, "1e400", "number 1e400"),
        (SqlType::Real, "16777217", "number 16777217"),
        (NUMERIC, "1.005", "number 1.005"),
        (NUMERIC, "1000", "number 1000"),
        (NUMERIC, "\" 1\"", "text \" 1\""),
        (SqlType::Text, "1", "number 1"),
        (SqlType::Text, "{\"a\": 1}", "json {\"a\": 1}"),
        (SqlType::Bytea, "\"A\"", "text \"A\""),
        (SqlType::Date, "\"2026-01-31T00:00:00\"", "text \"2026-01-31T00:00:00\""),
        (SqlType::Timestamp, "\"2026-01-31T00:00:00+01:00\"", "text \"2026-01-31T00:00:00+01:00\""),
        (SqlType::TimestampTz, "\"2026-01-31T00:00:00\"", "text \"2026-01-31T00:00:00\""),
        (SqlType::TimestampTz, "1769900000", "number 1769900000"),
        (SqlType::Interval, "\"soon\"", "text \"soon\""),
        (bigints, "[1, \"2\"]", "json [1, \"2\"]"),
    ] {
        let reason = format!("column \"x\" is {data_type}, the record has {has}");
        assert_eq!(read(&data_type, json), Err(reason), "{data_type} {json}");
    }
}

#[test]
fn a_long_value_is_shortened_in_the_reason() {
    let reason = read(&SqlType::BigInt, &format!("\"{}\"", "é".repeat(1000))).unwrap_err();
    assert_eq!(reason, format!("column \"x\" is bigint, the record has text \"{}…\"", "é".repeat(64)));
}

#[test]
fn a_column_that_is_not_null_wants_a_value() {
    let columns = [SourceColumn { not_null: true, ..declared(&[("x", SqlType::BigInt)]).remove(0) }];
    let outcome = decode(JsonDecoder::new(&columns, SchemaMode::Evolve, false), &[&["{}", r#"{"x":null,"y":1}"#, r#"{"X":1}"#]]);
    assert_eq!(outcome.rejects.len(), 2);
    assert_eq!(outcome.rejects[1].reason, "column \"x\" is not null, the record has no value for it");
    assert_eq!(told(&outcome.columns), ["x bigint"], "a rejected record finds no columns");
}

#[test]
fn other_fields_are_found_beside_declared_ones() {
    let decoder = JsonDecoder::new(&declared(&[("x", SqlType::Double)]), SchemaMode::Evolve, false);
    let outcome = decode(decoder, &[&[r#"{"y":1,"x":1,"X":2}"#]]);
    assert_eq!(told(&outcome.columns), ["x double precision", "y bigint", "_rest json"]);
    assert_eq!(outcome.rows, [row(&[("x", "1.0"), ("y", "1"), ("_rest", r#"{"X":2}"#)])]);
}

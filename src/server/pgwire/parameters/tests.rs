//! Parameters in text and binary: what is read, what is refused, and that nothing panics.

use arrow::array::AsArray;
use arrow::datatypes::Int32Type;
use datafusion::scalar::ScalarValue;
use proptest::prelude::*;

use super::numeric::Number;
use super::*;
use crate::error::SqlState;

const NUMERIC: SqlType = SqlType::Numeric { precision: 10, scale: 2 };

fn from_text(text: &str, sql_type: &SqlType) -> Result<ScalarValue> {
    decode(Some(text.as_bytes()), Format::Text, sql_type.oid(), sql_type)
}

fn from_hex(hex: &str, oid: u32, sql_type: &SqlType) -> Result<ScalarValue> {
    let digits: Vec<char> = hex.chars().filter(|c| *c != ' ').collect();
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect();
    decode(Some(&bytes), Format::Binary, oid, sql_type)
}

fn integers(list: &ScalarValue) -> Vec<Option<i32>> {
    match list {
        ScalarValue::List(list) => list.value(0).as_primitive::<Int32Type>().iter().collect(),
        other => panic!("{other:?} is not a list"),
    }
}

#[test]
fn text_of_every_type() {
    for (text, sql_type, expected) in [
        ("yes", SqlType::Boolean, ScalarValue::Boolean(Some(true))),
        (" OF ", SqlType::Boolean, ScalarValue::Boolean(Some(false))),
        (" -7 ", SqlType::SmallInt, ScalarValue::Int16(Some(-7))),
        ("+7", SqlType::Integer, ScalarValue::Int32(Some(7))),
        ("1e3", SqlType::Double, ScalarValue::Float64(Some(1000.0))),
        ("-Infinity", SqlType::Real, ScalarValue::Float32(Some(f32::NEG_INFINITY))),
        ("12.345", NUMERIC, ScalarValue::Decimal128(Some(1_235), 10, 2)),
        ("-1e-3", NUMERIC, ScalarValue::Decimal128(Some(0), 10, 2)),
        (" kept ", SqlType::Text, ScalarValue::Utf8(Some(" kept ".into()))),
        ("{\"a\" : 1}", SqlType::Json, ScalarValue::Utf8(Some("{\"a\" : 1}".into()))),
        ("\\x00fF", SqlType::Bytea, ScalarValue::Binary(Some(vec![0, 255]))),
        ("a\\\\b\\001", SqlType::Bytea, ScalarValue::Binary(Some(b"a\\b\x01".to_vec()))),
        ("2026-01-01", SqlType::Date, ScalarValue::Date32(Some(20_454))),
        ("00:00:01.5", SqlType::Time, ScalarValue::Time64Microsecond(Some(1_500_000))),
        ("1970-01-01 00:00:01", SqlType::Timestamp, ScalarValue::TimestampMicrosecond(Some(1_000_000), None)),
        ("1970-01-01 02:00:00+02", SqlType::TimestampTz, ScalarValue::TimestampMicrosecond(Some(0), Some("UTC".into()))),
        ("1970-01-01T00:00:00Z", SqlType::TimestampTz, ScalarValue::TimestampMicrosecond(Some(0), Some("UTC".into()))),
    ] {
        assert_eq!(from_text(text, &sql_type).unwrap(), expected, "{text}");
    }
    for (text, months, days, nanos) in [
        ("1 year 2 mons 3 days 04:05:06.5", 14, 3, 14_706_500_000_000),
        ("-1 mons +2 days -00:00:01", -1, 2, -1_000_000_000),
        ("00:00:00", 0, 0, 0),
        ("100:00", 0, 0, 360_000_000_000_000),
        ("5 minutes", 0, 0, 300_000_000_000),
    ] {
        let expected = arrow::datatypes::IntervalMonthDayNano::new(months, days, nanos);
        assert_eq!(from_text(text, &SqlType::Interval).unwrap(), ScalarValue::IntervalMonthDayNano(Some(expected)), "{text}");
    }
}

#[test]
fn text_that_is_wrong() {
    for (text, sql_type, state) in [
        ("abc", SqlType::Integer, SqlState::INVALID_TEXT_REPRESENTATION),
        ("99999", SqlType::SmallInt, SqlState::NUMERIC_VALUE_OUT_OF_RANGE),
        ("1e999", SqlType::Double, SqlState::NUMERIC_VALUE_OUT_OF_RANGE),
        ("o", SqlType::Boolean, SqlState::INVALID_TEXT_REPRESENTATION),
        ("100000000", NUMERIC, SqlState::NUMERIC_VALUE_OUT_OF_RANGE),
        ("1e30000", NUMERIC, SqlState::NUMERIC_VALUE_OUT_OF_RANGE),
        ("1.2.3", NUMERIC, SqlState::INVALID_TEXT_REPRESENTATION),
        ("{", SqlType::Json, SqlState::INVALID_TEXT_REPRESENTATION),
        ("\\x0", SqlType::Bytea, SqlState::INVALID_TEXT_REPRESENTATION),
        ("1:99", SqlType::Interval, SqlState::INVALID_DATETIME_FORMAT),
        ("", SqlType::Interval, SqlState::INVALID_DATETIME_FORMAT),
        ("yesterday", SqlType::Date, SqlState::INVALID_DATETIME_FORMAT),
        ("{1,2", SqlType::Array(Box::new(SqlType::Integer)), SqlState::INVALID_TEXT_REPRESENTATION),
        ("{1,,2}", SqlType::Array(Box::new(SqlType::Integer)), SqlState::INVALID_TEXT_REPRESENTATION),
        ("{{1}}", SqlType::Array(Box::new(SqlType::Integer)), SqlState::INVALID_TEXT_REPRESENTATION),
    ] {
        assert_eq!(from_text(text, &sql_type).unwrap_err().sqlstate(), state, "{text}");
    }
}

#[test]
fn array_literals() {
    let array = SqlType::Array(Box::new(SqlType::Integer));
    assert_eq!(integers(&from_text("{1, NULL ,\"3\"}", &array).unwrap()), [Some(1), None, Some(3)]);
    assert_eq!(integers(&from_text("{}", &array).unwrap()), []);
    let words = from_text(r#"{a b ,"c,\"d\"",NULL,"NULL",\e}"#, &SqlType::Array(Box::new(SqlType::Text))).unwrap();
    let ScalarValue::List(words) = words else { panic!() };
    let words: Vec<Option<String>> = words.value(0).as_string::<i32>().iter().map(|word| word.map(str::to_string)).collect();
    let expected = [Some("a b"), Some("c,\"d\""), None, Some("NULL"), Some("e")];
    assert_eq!(words, expected.map(|word| word.map(str::to_string)));
    let nested = SqlType::Array(Box::new(array));
    let value = from_text("{{1,2},{3}}", &nested).unwrap();
    assert_eq!(value.data_type(), nested.to_arrow());
}

#[test]
fn binary_of_other_types_than_expected() {
    let oid = |sql_type: SqlType| sql_type.oid();
    assert_eq!(from_hex("00000007", oid(SqlType::Integer), &SqlType::BigInt).unwrap(), ScalarValue::Int64(Some(7)));
    assert_eq!(from_hex("ffffffff", binary::OID_OID, &SqlType::BigInt).unwrap(), ScalarValue::Int64(Some(4_294_967_295)));
    assert_eq!(from_hex("0007", oid(SqlType::SmallInt), &NUMERIC).unwrap(), ScalarValue::Decimal128(Some(700), 10, 2));
    assert_eq!(from_hex("61", 1043, &SqlType::Text).unwrap(), ScalarValue::Utf8(Some("a".into())));
    assert_eq!(from_hex("01 7b7d", 3802, &SqlType::Json).unwrap(), ScalarValue::Utf8(Some("{}".into())));
    assert_eq!(from_hex("0002 0000 4000 0002 000c 1388", 1700, &NUMERIC).unwrap(), ScalarValue::Decimal128(Some(-1_250), 10, 2));
}

#[test]
fn binary_that_is_wrong() {
    let array = SqlType::Array(Box::new(SqlType::Integer));
    for (hex, sql_type) in [
        ("0000", SqlType::Integer),
        ("0001 0000 0000", NUMERIC),
        ("0001 0000 0000 0000 2710", NUMERIC),
        ("00000001 00000000 00000017", array.clone()),
        ("00000001 00000000 00000017 7fffffff 00000001", array.clone()),
        ("00000001 00000000 00000017 00000001 00000001 00000004 00000001 00", array.clone()),
        ("00000002 00000000 00000017 00000001 00000001 00000001 00000001 00000004 00000001", array),
    ] {
        assert_eq!(from_hex(hex, sql_type.oid(), &sql_type).unwrap_err().sqlstate(), SqlState::INVALID_BINARY_REPRESENTATION, "{hex}");
    }
}

#[test]
fn an_error_names_the_parameter() {
    let values: [Option<&[u8]>; 2] = [Some(b"1"), Some(b"x")];
    let types = [SqlType::Integer, SqlType::Integer];
    let error = decode_all(&values, &[Format::Text; 2], &[23, 23], &types).unwrap_err();
    assert_eq!(error.detail(), Some("parameter $2"));
}

proptest! {
    /// Nothing that a client sends makes the decoder panic.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let array = SqlType::Array(Box::new(SqlType::Array(Box::new(NUMERIC))));
        for sql_type in [SqlType::Boolean, NUMERIC, SqlType::Bytea, SqlType::Interval, SqlType::Timestamp, SqlType::Date, array] {
            let _ = decode(Some(&bytes), Format::Binary, sql_type.oid(), &sql_type);
            let _ = decode(Some(&bytes), Format::Text, sql_type.oid(), &sql_type);
        }
    }

    #[test]
    fn numbers_are_read_as_they_are_written(unscaled in -9_999_999_999_i64..=9_999_999_999, scale in 0_i8..=10) {
        let digits = format!("{:0width$}", unscaled.abs(), width = scale as usize + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
        let text = format!("{}{whole}.{fraction}", if unscaled < 0 { "-" } else { "" });
        let number = Number::parse(&text).unwrap().to_scalar(38, scale).unwrap();
        prop_assert_eq!(number, ScalarValue::Decimal128(Some(unscaled as i128), 38, scale));
    }
}

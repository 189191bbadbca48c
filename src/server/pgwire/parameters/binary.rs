//! Parameters in the binary forms of PostgreSQL's `…_recv` functions. What the client sends may be narrower or wider than what
//! the statement expects; then it is cast.

use arrow::datatypes::IntervalMonthDayNano;
use datafusion::scalar::ScalarValue;

use super::array;
use super::numeric::Number;
use super::text;
use crate::error::{Error, Result, SqlState};
use crate::model::SqlType;
use crate::server::pgwire::encode::{EPOCH_2000_DAYS, EPOCH_2000_MICROS};
use crate::server::pgwire::frontend::utf8;

pub const OID_OID: u32 = 26;
const OID_UUID: u32 = 2950;
const OID_JSONB: u32 = 3802;
const OID_UNKNOWN: u32 = 705;
const JSONB_VERSION: u8 = 1;
const NUMERIC_NEGATIVE: u16 = 0x4000;
const NUMERIC_POSITIVE: u16 = 0;

pub fn decode(bytes: &[u8], oid: u32, sql_type: &SqlType) -> Result<ScalarValue> {
    let sent = match oid {
        OID_UNKNOWN => sql_type.clone(),
        oid if oid == sql_type.oid() => sql_type.clone(),
        oid => SqlType::from_oid(oid).ok_or_else(malformed)?,
    };
    // A numeric is of the statement's precision from the start: ours would cut its digits.
    let sent = match (&sent, sql_type) {
        (SqlType::Numeric { .. }, SqlType::Numeric { .. }) => sql_type.clone(),
        _ => sent,
    };
    let value = decode_sent(bytes, oid, &sent)?;
    match sent == *sql_type {
        true => Ok(value),
        false => Ok(value.cast_to(&sql_type.to_arrow())?),
    }
}

fn decode_sent(bytes: &[u8], oid: u32, sent: &SqlType) -> Result<ScalarValue> {
    Ok(match sent {
        SqlType::Boolean => ScalarValue::Boolean(Some(fixed::<1>(bytes)?[0] != 0)),
        SqlType::SmallInt => ScalarValue::Int16(Some(i16::from_be_bytes(fixed(bytes)?))),
        SqlType::Integer => ScalarValue::Int32(Some(i32::from_be_bytes(fixed(bytes)?))),
        SqlType::BigInt if oid == OID_OID => ScalarValue::Int64(Some(u32::from_be_bytes(fixed(bytes)?) as i64)),
        SqlType::BigInt => ScalarValue::Int64(Some(i64::from_be_bytes(fixed(bytes)?))),
        SqlType::Real => ScalarValue::Float32(Some(f32::from_be_bytes(fixed(bytes)?))),
        SqlType::Double => ScalarValue::Float64(Some(f64::from_be_bytes(fixed(bytes)?))),
        SqlType::Numeric { precision, scale } => numeric(bytes)?.to_scalar(*precision, *scale)?,
        SqlType::Text if oid == OID_UUID => ScalarValue::Utf8(Some(uuid::Uuid::from_bytes(fixed(bytes)?).hyphenated().to_string())),
        SqlType::Text => ScalarValue::Utf8(Some(utf8(bytes)?.to_string())),
        SqlType::Json if oid == OID_JSONB => match bytes {
            [JSONB_VERSION, json @ ..] => ScalarValue::Utf8(Some(text::json(utf8(json)?)?.to_string())),
            _ => return Err(malformed()),
        },
        SqlType::Json => ScalarValue::Utf8(Some(text::json(utf8(bytes)?)?.to_string())),
        SqlType::Bytea => ScalarValue::Binary(Some(bytes.to_vec())),
        SqlType::Date => {
            let days = i32::from_be_bytes(fixed(bytes)?).checked_add(EPOCH_2000_DAYS);
            ScalarValue::Date32(Some(days.ok_or_else(out_of_range)?))
        }
        SqlType::Time => ScalarValue::Time64Microsecond(Some(i64::from_be_bytes(fixed(bytes)?))),
        SqlType::Timestamp => ScalarValue::TimestampMicrosecond(Some(micros(bytes)?), None),
        SqlType::TimestampTz => ScalarValue::TimestampMicrosecond(Some(micros(bytes)?), Some("UTC".into())),
        SqlType::Interval => ScalarValue::IntervalMonthDayNano(Some(interval(bytes)?)),
        SqlType::Array(element) => array::decode_binary(bytes, element)?,
    })
}

pub fn malformed() -> Error {
    Error::data("incorrect binary data format in bind parameter").with_state(SqlState::INVALID_BINARY_REPRESENTATION)
}

pub fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| malformed())
}

fn micros(bytes: &[u8]) -> Result<i64> {
    i64::from_be_bytes(fixed(bytes)?).checked_add(EPOCH_2000_MICROS).ok_or_else(out_of_range)
}

fn interval(bytes: &[u8]) -> Result<IntervalMonthDayNano> {
    let bytes: [u8; 16] = fixed(bytes)?;
    let micros = i64::from_be_bytes(fixed(&bytes[..8])?);
    let nanos = micros.checked_mul(1_000).ok_or_else(out_of_range)?;
    Ok(IntervalMonthDayNano::new(i32::from_be_bytes(fixed(&bytes[12..])?), i32::from_be_bytes(fixed(&bytes[8..12])?), nanos))
}

fn numeric(bytes: &[u8]) -> Result<Number> {
    let words: Vec<u16> = bytes.chunks(2).map(|pair| Ok(u16::from_be_bytes(fixed(pair)?))).collect::<Result<_>>()?;
    let [count, weight, sign, _scale, groups @ ..] = words.as_slice() else { return Err(malformed()) };
    if groups.len() != *count as usize || groups.iter().any(|group| *group > 9_999) {
        return Err(malformed());
    }
    match *sign {
        NUMERIC_POSITIVE | NUMERIC_NEGATIVE => Ok(Number::from_groups(*sign == NUMERIC_NEGATIVE, *weight as i16, groups)),
        _ => Err(Error::unsupported("numeric NaN and infinity are not supported").with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE)),
    }
}

fn out_of_range() -> Error {
    Error::data("a date, timestamp or interval is out of range").with_state(SqlState::DATETIME_FIELD_OVERFLOW)
}

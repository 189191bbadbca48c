//! Parameters of Bind → values. Each is read in its format and becomes exactly the type that the statement was prepared for.

mod array;
mod binary;
mod interval;
mod numeric;
mod text;

#[cfg(test)]
mod tests;

use datafusion::scalar::ScalarValue;

use super::encode::Format;
use super::frontend::utf8;
use crate::error::{Error, Result};
use crate::model::SqlType;

/// The four slices are of one length: for each parameter its bytes (`None` is NULL), its format, the type the client sends and
/// the type the statement expects.
pub fn decode_all(values: &[Option<&[u8]>], formats: &[Format], oids: &[u32], types: &[SqlType]) -> Result<Vec<ScalarValue>> {
    let each = values.iter().zip(formats).zip(oids).zip(types).enumerate();
    let decoded = each.map(|(index, (((value, format), oid), sql_type))| {
        decode(*value, *format, *oid, sql_type).map_err(|error| error.with_detail(format!("parameter ${}", index + 1)))
    });
    decoded.collect()
}

fn decode(value: Option<&[u8]>, format: Format, oid: u32, sql_type: &SqlType) -> Result<ScalarValue> {
    match (value, format) {
        (None, _) => null(sql_type),
        (Some(value), Format::Text) => text::decode(utf8(value)?, sql_type),
        (Some(value), Format::Binary) => binary::decode(value, oid, sql_type),
    }
}

fn null(sql_type: &SqlType) -> Result<ScalarValue> {
    ScalarValue::try_from(&sql_type.to_arrow()).map_err(Error::from)
}

//! `bytea` as PostgreSQL reads it: `'\x0aff'` is two bytes, and `length` counts bytes. The planner would take the text's own bytes, and would
//! want the bytes to be text.

use std::sync::{Arc, LazyLock};

use arrow::array::{AsArray, BinaryArray, Int32Array};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, Expr, ExprSchemable, LogicalPlan, ScalarUDF, Volatility, create_udf};
use datafusion::optimizer::analyzer::AnalyzerRule;

use super::plan_rewrite::rewrite_expressions;
use crate::error::{Error, SqlState};

/// `octet_length` takes bytes only once they have been made text.
const LENGTHS: [&str; 2] = ["character_length", "octet_length"];

static READ: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let read = |arguments: &[ColumnarValue]| {
        let texts = cast(ColumnarValue::values_to_arrays(arguments)?[0].as_ref(), &DataType::Utf8)?;
        let bytes =
            texts.as_string::<i32>().iter().map(|text| text.map(decode).transpose()).collect::<crate::error::Result<BinaryArray>>()?;
        Ok(ColumnarValue::Array(Arc::new(bytes)))
    };
    Arc::new(create_udf("bytea", vec![DataType::Utf8], DataType::Binary, Volatility::Immutable, Arc::new(read)))
});

static LENGTH: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| {
    let length = |arguments: &[ColumnarValue]| {
        let bytes = cast(ColumnarValue::values_to_arrays(arguments)?[0].as_ref(), &DataType::Binary)?;
        let lengths: Int32Array = bytes.as_binary::<i32>().iter().map(|bytes| bytes.map(|bytes| bytes.len() as i32)).collect();
        Ok(ColumnarValue::Array(Arc::new(lengths)))
    };
    Arc::new(create_udf("bytea_length", vec![DataType::Binary], DataType::Int32, Volatility::Immutable, Arc::new(length)))
});

/// Comes after the planner's own rules, which put the casts in.
#[derive(Debug)]
pub struct ByteaCasts;

impl AnalyzerRule for ByteaCasts {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        rewrite_expressions(plan, concerns, rewrite)
    }

    fn name(&self) -> &str {
        "bytea_casts"
    }
}

fn concerns(expression: &Expr) -> bool {
    match expression {
        Expr::Cast(cast) => is_binary(cast.field.data_type()),
        Expr::ScalarFunction(function) => LENGTHS.contains(&function.name()),
        _ => false,
    }
}

fn rewrite(expression: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expression {
        Expr::Cast(cast) if is_binary(cast.field.data_type()) && is_text(&cast.expr.get_type(schema)?) => {
            Ok(Transformed::yes(READ.call(vec![*cast.expr])))
        }
        Expr::ScalarFunction(mut function) if LENGTHS.contains(&function.name()) && function.args.len() == 1 => {
            match function.args.remove(0) {
                Expr::Cast(cast) if is_binary(&cast.expr.get_type(schema)?) => Ok(Transformed::yes(LENGTH.call(vec![*cast.expr]))),
                other => {
                    function.args.push(other);
                    Ok(Transformed::no(Expr::ScalarFunction(function)))
                }
            }
        }
        other => Ok(Transformed::no(other)),
    }
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView)
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// PostgreSQL's two forms: hex behind `\x`, else characters with `\\` and `\ooo`.
fn decode(text: &str) -> crate::error::Result<Vec<u8>> {
    let decoded = match text.strip_prefix("\\x") {
        Some(digits) => decode_hex(digits),
        None => decode_escapes(text),
    };
    decoded.ok_or_else(|| {
        Error::invalid("invalid input syntax for type bytea")
            .with_state(SqlState::INVALID_TEXT_REPRESENTATION)
            .with_hint("bytes are written as '\\x0aff'")
    })
}

fn decode_hex(digits: &str) -> Option<Vec<u8>> {
    let mut digits = digits.chars().filter(|digit| !digit.is_ascii_whitespace()).map(|digit| digit.to_digit(16));
    let mut bytes = Vec::new();
    while let Some(high) = digits.next() {
        bytes.push((high? * 16 + digits.next()??) as u8);
    }
    Some(bytes)
}

fn decode_escapes(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'\\', [b'\\', after @ ..]) => (b'\\', after),
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                ((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'), after)
            }
            (b'\\', _) => return None,
            (byte, after) => (*byte, after),
        };
        bytes.push(byte);
        rest = after;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn both_forms_are_read() {
        let bytes = |text: &str| decode(text).map_err(|error| error.sqlstate().to_string());
        assert_eq!(bytes("\\xDEad beef"), Ok(vec![0xde, 0xad, 0xbe, 0xef]));
        assert_eq!(bytes("\\x"), Ok(vec![]));
        assert_eq!(bytes("a\\\\b\\001\\377é"), Ok([b"a\\b\x01\xff".as_slice(), "é".as_bytes()].concat()));
        for wrong in ["\\xabc", "\\xzz", "\\400", "a\\"] {
            assert_eq!(bytes(wrong), Err("22P02".to_string()), "{wrong}");
        }
    }
}

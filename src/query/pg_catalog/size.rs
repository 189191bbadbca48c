//! `pg_size_pretty`: bytes as people read them.

use std::sync::Arc;

use arrow::array::{AsArray, StringArray};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

const UNITS: [&str; 6] = ["bytes", "kB", "MB", "GB", "TB", "PB"];
/// A number below this stays in its unit.
const UNIT_MAX: u64 = 10 * 1024;

pub fn pretty() -> ScalarUDF {
    let pretty = |arguments: &[ColumnarValue]| {
        let sizes = ColumnarValue::values_to_arrays(arguments)?;
        let sizes = sizes[0].as_primitive::<Int64Type>();
        let texts: StringArray = sizes.iter().map(|size| size.map(text)).collect();
        Ok(ColumnarValue::Array(Arc::new(texts)))
    };
    create_udf("pg_size_pretty", vec![DataType::Int64], DataType::Utf8, Volatility::Immutable, Arc::new(pretty))
}

fn text(bytes: i64) -> String {
    let sign = if bytes < 0 { "-" } else { "" };
    let (mut size, mut unit) = (bytes.unsigned_abs(), 0);
    while size >= UNIT_MAX && unit + 1 < UNITS.len() {
        // Rounds half up, like PostgreSQL.
        size = (size + 512) / 1024;
        unit += 1;
    }
    format!("{sign}{size} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn sizes_read_as_in_postgres() {
        let sizes = [0, 10_239, 10_240, -20_480, 10 * 1024 * 1024, 1 << 50].map(text);
        assert_eq!(sizes, ["0 bytes", "10239 bytes", "10 kB", "-20 kB", "10 MB", "1024 TB"]);
    }
}

//! `pg_typeof`: the type of an expression, by PostgreSQL's name.

use arrow::datatypes::{DataType, Field};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use datafusion::scalar::ScalarValue;

use crate::model::SqlType;

pub fn type_of() -> ScalarUDF {
    ScalarUDF::from(TypeOf { signature: Signature::any(1, Volatility::Stable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TypeOf {
    signature: Signature,
}

impl ScalarUDFImpl for TypeOf {
    fn name(&self) -> &str {
        "pg_typeof"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(ScalarValue::from(name_of(&arguments.arg_fields[0]))))
    }
}

fn name_of(field: &Field) -> String {
    match field.data_type() {
        DataType::Null => "unknown".to_string(),
        _ => name(&SqlType::from_field(field)),
    }
}

/// Without what belongs to the column: `numeric(10,2)` is `numeric`.
pub fn name(sql_type: &SqlType) -> String {
    match sql_type {
        SqlType::Numeric { .. } => "numeric".to_string(),
        SqlType::Array(element) => format!("{}[]", name(element)),
        other => other.name(),
    }
}

//! `pg_table_is_visible`: whether a relation is found by its name alone, which holds for those of `public`.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type};
use datafusion::error::Result;
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};

use super::Relations;
use super::snapshot::{OID_SCHEMA_PUBLIC, Snapshot};

pub fn table_is_visible(relations: Arc<dyn Relations>) -> ScalarUDF {
    ScalarUDF::from(TableIsVisible { relations, signature: Signature::any(1, Volatility::Stable) })
}

#[derive(Debug)]
struct TableIsVisible {
    relations: Arc<dyn Relations>,
    signature: Signature,
}

impl ScalarUDFImpl for TableIsVisible {
    fn name(&self) -> &str {
        "pg_table_is_visible"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    /// NULL for an OID that no relation has.
    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let oids = cast(arguments.args[0].to_array(arguments.number_rows)?.as_ref(), &DataType::Int32)?;
        let snapshot = Snapshot::take(self.relations.as_ref());
        let is_visible = |oid: i32| {
            let found = snapshot.relations().find(|(_, relation)| relation.oid == oid);
            found.map(|(schema, _)| schema.oid == OID_SCHEMA_PUBLIC)
        };
        let answers: BooleanArray = oids.as_primitive::<Int32Type>().iter().map(|oid| oid.and_then(is_visible)).collect();
        Ok(ColumnarValue::Array(Arc::new(answers)))
    }
}

impl PartialEq for TableIsVisible {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.relations, &other.relations)
    }
}

impl Eq for TableIsVisible {}

impl Hash for TableIsVisible {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

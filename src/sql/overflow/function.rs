//! `+`, `-` and `*` of two integers of one type, under the names that PostgreSQL has for them: `int8pl` and so on.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Datum};
use arrow::compute::kernels::numeric::{add, mul, sub};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::error::ArrowError;
use datafusion::common::exec_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr_common::datum::apply;

use crate::error::{Error, SqlState};

const FUNCTIONS: [(&str, Operator, DataType); 9] = [
    ("int2pl", Operator::Plus, DataType::Int16),
    ("int2mi", Operator::Minus, DataType::Int16),
    ("int2mul", Operator::Multiply, DataType::Int16),
    ("int4pl", Operator::Plus, DataType::Int32),
    ("int4mi", Operator::Minus, DataType::Int32),
    ("int4mul", Operator::Multiply, DataType::Int32),
    ("int8pl", Operator::Plus, DataType::Int64),
    ("int8mi", Operator::Minus, DataType::Int64),
    ("int8mul", Operator::Multiply, DataType::Int64),
];

static CHECKED: LazyLock<Vec<Arc<ScalarUDF>>> = LazyLock::new(|| {
    let function = |(name, operator, data_type): (&'static str, Operator, DataType)| {
        let signature = Signature::exact(vec![data_type.clone(); 2], Volatility::Immutable);
        Arc::new(ScalarUDF::from(Checked { name, operator, data_type, signature }))
    };
    FUNCTIONS.into_iter().map(function).collect()
});

/// The function in place of an operator, if integers of this type have one.
pub(super) fn checked_of(operator: Operator, data_type: &DataType) -> Option<&'static ScalarUDF> {
    let place = FUNCTIONS.iter().position(|(_, of, on)| *of == operator && on == data_type)?;
    CHECKED.get(place).map(Arc::as_ref)
}

/// The type of what the function takes and gives, if it is one of these.
pub(super) fn type_checked(function: &ScalarUDF) -> Option<&DataType> {
    function.inner().downcast_ref::<Checked>().map(|checked| &checked.data_type)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    name: &'static str,
    operator: Operator,
    data_type: DataType,
    signature: Signature,
}

impl Checked {
    fn compute(&self, left: &dyn Datum, right: &dyn Datum) -> std::result::Result<ArrayRef, ArrowError> {
        match self.operator {
            Operator::Plus => add(left, right),
            Operator::Minus => sub(left, right),
            _ => mul(left, right),
        }
    }

    fn out_of_range(&self, error: DataFusionError) -> DataFusionError {
        let name = match self.data_type {
            DataType::Int16 => "smallint",
            DataType::Int32 => "integer",
            _ => "bigint",
        };
        match &error {
            DataFusionError::ArrowError(arrow, _) if matches!(**arrow, ArrowError::ArithmeticOverflow(_)) => {
                Error::data(format!("{name} out of range")).with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE).into()
            }
            _ => error,
        }
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let is_nullable = arguments.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name, self.data_type.clone(), is_nullable)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = &arguments.args[..] else { return exec_err!("{} takes two integers", self.name) };
        apply(left, right, |left, right| self.compute(left, right)).map_err(|error| self.out_of_range(error))
    }

    /// A sum and a difference are in the order of what is added, for what is out of range is an error.
    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        let [left, right] = inputs else { return Ok(SortProperties::Unordered) };
        Ok(match self.operator {
            Operator::Plus => left.sort_properties.add(&right.sort_properties),
            Operator::Minus => left.sort_properties.sub(&right.sort_properties),
            _ => SortProperties::Unordered,
        })
    }
}

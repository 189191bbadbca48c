//! Integers that grow too large are an error, as in PostgreSQL. DataFusion's own `+`, `-` and `*` would wrap around.
//!
//! Types stay what they are, for who stands above is not told. So DataFusion's unsigned integers, as row numbers, still wrap around.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Datum};
use arrow::compute::kernels::numeric::{add, mul, sub};
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::error::ArrowError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, exec_err};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use datafusion::optimizer::analyzer::AnalyzerRule;
use datafusion::physical_expr_common::datum::apply;

use super::analyzer::rewrite_expressions;
use crate::error::{Error, SqlState};

/// Comes after the planner's own rules, which give both sides one type.
#[derive(Debug)]
pub struct OverflowChecks;

impl AnalyzerRule for OverflowChecks {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        rewrite_expressions(plan, check)
    }

    fn name(&self) -> &str {
        "overflow_checks"
    }
}

fn check(expression: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expression else { return Ok(Transformed::no(expression)) };
    let checked = CHECKED.iter().find(|(operator, _)| *operator == op).map(|(_, function)| function);
    match checked {
        Some(function) if left.get_type(schema)?.is_signed_integer() && right.get_type(schema)? == left.get_type(schema)? => {
            Ok(Transformed::yes(function.call(vec![*left, *right])))
        }
        _ => Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))),
    }
}

/// The operator that a checked function stands for, with what it is given.
pub fn operation(function: &ScalarFunction) -> Option<BinaryExpr> {
    let (operator, _) = CHECKED.iter().find(|(_, checked)| *checked == function.func)?;
    let [left, right] = function.args.as_slice() else { return None };
    Some(BinaryExpr::new(Box::new(left.clone()), *operator, Box::new(right.clone())))
}

static CHECKED: LazyLock<[(Operator, Arc<ScalarUDF>); 3]> = LazyLock::new(|| {
    [Operator::Plus, Operator::Minus, Operator::Multiply].map(|operator| {
        let signature = Signature::user_defined(Volatility::Immutable);
        (operator, Arc::new(ScalarUDF::from(Checked { operator, name: format!("checked_{}", word(operator)), signature })))
    })
});

fn word(operator: Operator) -> &'static str {
    match operator {
        Operator::Plus => "add",
        Operator::Minus => "subtract",
        _ => "multiply",
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Checked {
    operator: Operator,
    name: String,
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

    /// As the operator is called, so that columns have the same names.
    fn called(&self, arguments: &[Expr]) -> Option<Expr> {
        let [left, right] = arguments else { return None };
        Some(Expr::BinaryExpr(BinaryExpr::new(Box::new(left.clone()), self.operator, Box::new(right.clone()))))
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        &self.name
    }

    fn display_name(&self, arguments: &[Expr]) -> Result<String> {
        Ok(self.called(arguments).map_or_else(|| self.name.clone(), |called| called.to_string()))
    }

    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        Ok(self.called(arguments).map_or_else(|| self.name.clone(), |called| called.schema_name().to_string()))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        match arguments {
            [left, right] if left == right && left.is_signed_integer() => Ok(arguments.to_vec()),
            _ => exec_err!("{} takes two integers of one type", self.name),
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments[0].clone())
    }

    fn return_field_from_args(&self, arguments: ReturnFieldArgs) -> Result<FieldRef> {
        let is_nullable = arguments.arg_fields.iter().any(|field| field.is_nullable());
        Ok(Arc::new(Field::new(self.name(), arguments.arg_fields[0].data_type().clone(), is_nullable)))
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [left, right] = &arguments.args[..] else { return exec_err!("{} takes two integers", self.name) };
        apply(left, right, |left, right| self.compute(left, right)).map_err(|error| out_of_range(error, arguments.return_type()))
    }

    /// A sum and a difference are in the order of what is added, for what is not out of range is an error.
    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        let [left, right] = inputs else { return Ok(SortProperties::Unordered) };
        Ok(match self.operator {
            Operator::Plus => left.sort_properties.add(&right.sort_properties),
            Operator::Minus => left.sort_properties.sub(&right.sort_properties),
            _ => SortProperties::Unordered,
        })
    }
}

fn out_of_range(error: DataFusionError, data_type: &DataType) -> DataFusionError {
    let is_overflow = matches!(&error, DataFusionError::ArrowError(arrow, _) if matches!(**arrow, ArrowError::ArithmeticOverflow(_)));
    if !is_overflow {
        return error;
    }
    let name = match data_type {
        DataType::Int64 => "bigint",
        DataType::Int32 => "integer",
        _ => "smallint",
    };
    Error::data(format!("{name} out of range")).with_state(SqlState::NUMERIC_VALUE_OUT_OF_RANGE).into()
}

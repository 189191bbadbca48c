//! `sum` of bigint is numeric, as in PostgreSQL, and cannot wrap around. Sums of smaller integers are bigint, others are DataFusion's.
//!
//! Here stands only which type a sum has. Once a plan is analyzed, [`PlainSums`] has put DataFusion's own function in, over a cast: what computes
//! and what optimizes sums knows no other.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, internal_err};
use datafusion::error::Result;
use datafusion::functions_aggregate::sum::sum_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, WindowFunction};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Expr, ExprSchemable, LogicalPlan, Signature, Volatility, WindowFunctionDefinition,
};
use datafusion::optimizer::analyzer::AnalyzerRule;

use super::plan_rewrite::rewrite_expressions;

/// Digits of the largest bigint, and of the largest number without a sign of as many bits.
pub const BIGINT_DIGITS: u8 = 19;
const UNSIGNED_DIGITS: u8 = 20;

static SUM: LazyLock<AggregateUDF> =
    LazyLock::new(|| AggregateUDF::from(NumericSum { signature: Signature::user_defined(Volatility::Immutable) }));

/// `sum`, for the planner to find by its name.
pub fn function() -> AggregateUDF {
    SUM.clone()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct NumericSum {
    signature: Signature,
}

impl AggregateUDFImpl for NumericSum {
    fn name(&self) -> &str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Small integers stay what they are: only so can it be told, whenever the type is asked for, that their sum is bigint.
    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        match arguments {
            [DataType::Int8 | DataType::Int16 | DataType::Int32] => Ok(arguments.to_vec()),
            [DataType::Int64] => Ok(vec![DataType::Decimal128(BIGINT_DIGITS, 0)]),
            [argument] if argument.is_unsigned_integer() => Ok(vec![DataType::Decimal128(UNSIGNED_DIGITS, 0)]),
            others => {
                let fields: Vec<FieldRef> = others.iter().map(|argument| Arc::new(Field::new("", argument.clone(), true))).collect();
                Ok(fields_with_udf(&fields, sum_udaf().as_ref())?.iter().map(|field| field.data_type().clone()).collect())
            }
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [DataType::Int8 | DataType::Int16 | DataType::Int32] => Ok(DataType::Int64),
            others => sum_udaf().return_type(others),
        }
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        internal_err!("a sum runs before its plan was analyzed")
    }
}

/// Comes after the planner's own rules, which make the arguments what `coerce_types` says.
#[derive(Debug)]
pub struct PlainSums;

impl AnalyzerRule for PlainSums {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        rewrite_expressions(plan, is_ours, rewrite)
    }

    fn name(&self) -> &str {
        "plain_sums"
    }
}

fn is_ours(expression: &Expr) -> bool {
    match expression {
        Expr::AggregateFunction(AggregateFunction { func, .. }) => **func == *SUM,
        Expr::WindowFunction(function) => matches!(&function.fun, WindowFunctionDefinition::AggregateUDF(func) if **func == *SUM),
        _ => false,
    }
}

fn rewrite(expression: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if !is_ours(&expression) {
        return Ok(Transformed::no(expression));
    }
    Ok(Transformed::yes(match expression {
        Expr::AggregateFunction(AggregateFunction { mut params, .. }) => {
            params.args = widened(params.args, schema)?;
            Expr::AggregateFunction(AggregateFunction { func: sum_udaf(), params })
        }
        Expr::WindowFunction(mut function) => {
            function.params.args = widened(function.params.args, schema)?;
            Expr::from(WindowFunction { fun: WindowFunctionDefinition::AggregateUDF(sum_udaf()), ..*function })
        }
        other => other,
    }))
}

/// Small integers become bigint, as whose sum theirs is computed.
fn widened(arguments: Vec<Expr>, schema: &DFSchema) -> Result<Vec<Expr>> {
    let widen = |argument: Expr| match argument.get_type(schema)?.is_signed_integer() {
        true => argument.cast_to(&DataType::Int64, schema),
        false => Ok(argument),
    };
    arguments.into_iter().map(widen).collect()
}

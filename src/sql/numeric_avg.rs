//! `avg` of integers and decimals is numeric, as in PostgreSQL: exact, rounded to 16 digits behind the point. Other averages are DataFusion's.
//!
//! Here stands which type an average has. Once a plan is analyzed, [`SumsAndCounts`] has put a sum and a count in its place, and a division above
//! them: what computes, keeps and optimizes sums serves averages too.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DECIMAL128_MAX_PRECISION, DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, internal_err};
use datafusion::error::Result;
use datafusion::functions_aggregate::average::avg_udaf;
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    Accumulator, Aggregate, AggregateUDF, AggregateUDFImpl, Expr, ExprSchemable, LogicalPlan, Projection, Signature, Volatility, Window,
    WindowFunctionDefinition,
};
use datafusion::optimizer::analyzer::AnalyzerRule;

use super::{average, numeric_sum};

static AVG: LazyLock<AggregateUDF> = LazyLock::new(|| {
    AggregateUDF::from(NumericAvg { signature: Signature::user_defined(Volatility::Immutable), aliases: avg_udaf().aliases().to_vec() })
});

/// `avg`, for the planner to find by its name.
pub fn function() -> AggregateUDF {
    AVG.clone()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct NumericAvg {
    signature: Signature,
    aliases: Vec<String>,
}

impl AggregateUDFImpl for NumericAvg {
    fn name(&self) -> &str {
        "avg"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        match arguments {
            [argument] if average::scale(argument).is_some() => Ok(arguments.to_vec()),
            others => {
                let fields: Vec<FieldRef> = others.iter().map(|argument| Arc::new(Field::new("", argument.clone(), true))).collect();
                Ok(fields_with_udf(&fields, avg_udaf().as_ref())?.iter().map(|field| field.data_type().clone()).collect())
            }
        }
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match average::scale(&arguments[0]) {
            Some(scale) => Ok(DataType::Decimal128(DECIMAL128_MAX_PRECISION, scale)),
            None => avg_udaf().return_type(arguments),
        }
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        internal_err!("an average runs before its plan was analyzed")
    }
}

/// Comes after the planner's own rules, which settle what types the arguments have, and before [`numeric_sum::PlainSums`].
#[derive(Debug)]
pub struct SumsAndCounts;

impl AnalyzerRule for SumsAndCounts {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(rewrite).map(|rewritten| rewritten.data)
    }

    fn name(&self) -> &str {
        "sums_and_counts"
    }
}

fn rewrite(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    match plan {
        LogicalPlan::Aggregate(aggregate) if aggregate.aggr_expr.iter().any(is_ours) => {
            let parts = Parts::of(&aggregate.aggr_expr, aggregate.input.schema())?;
            let below = Aggregate::try_new(aggregate.input, aggregate.group_expr, parts.computed.clone())?;
            parts.above(LogicalPlan::Aggregate(below), &aggregate.schema)
        }
        LogicalPlan::Window(window) if window.window_expr.iter().any(is_ours) => {
            let parts = Parts::of(&window.window_expr, window.input.schema())?;
            let below = Window::try_new(parts.computed.clone(), window.input)?;
            parts.above(LogicalPlan::Window(below), &window.schema)
        }
        other => Ok(Transformed::no(other)),
    }
}

/// What a node computes in place of what it did.
#[derive(Default)]
struct Parts {
    computed: Vec<Expr>,
    /// For each of what it did, where it stands now.
    places: Vec<Place>,
}

enum Place {
    Kept(usize),
    Average { sum: usize, count: usize },
}

impl Parts {
    fn of(functions: &[Expr], input: &DFSchema) -> Result<Parts> {
        let mut parts = Parts::default();
        for function in functions {
            let place = match computed(function, input)? {
                Computed::Parts { sum, count } => Place::Average { sum: parts.place(sum), count: parts.place(count) },
                Computed::Whole(function) => Place::Kept(parts.place(function)),
            };
            parts.places.push(place);
        }
        Ok(parts)
    }

    /// Where a function is computed: once, however often and under whatever names it is asked for.
    fn place(&mut self, function: Expr) -> usize {
        let function = function.unalias();
        let known = self.computed.iter().position(|computed| *unaliased(computed) == function);
        known.unwrap_or_else(|| {
            let place = self.computed.len();
            let name = function.schema_name().to_string();
            // Casts do not show in names.
            let is_taken = self.computed.iter().any(|computed| computed.schema_name().to_string() == name);
            self.computed.push(if is_taken { function.alias(format!("{name} {place}")) } else { function });
            place
        })
    }

    /// Over the node that computes the parts, the columns there were.
    fn above(&self, below: LogicalPlan, before: &DFSchema) -> Result<Transformed<LogicalPlan>> {
        let others = before.fields().len() - self.places.len();
        let column = |place: usize| Expr::Column(Column::from(below.schema().qualified_field(place)));
        let columns = before.iter().enumerate().map(|(number, (qualifier, field))| {
            let value = match number.checked_sub(others).map(|number| &self.places[number]) {
                None => return column(number),
                Some(Place::Kept(place)) => column(others + place),
                Some(Place::Average { sum, count }) => average::FUNCTION.call(vec![column(others + sum), column(others + count)]),
            };
            match value.qualified_name() {
                (found, name) if found.as_ref() == qualifier && name == *field.name() => value,
                _ => value.alias_qualified(qualifier.cloned(), field.name()),
            }
        });
        let projection = Projection::try_new(columns.collect(), Arc::new(below.clone()))?;
        Ok(Transformed::yes(LogicalPlan::Projection(projection)))
    }
}

fn unaliased(expression: &Expr) -> &Expr {
    match expression {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}

fn is_ours(expression: &Expr) -> bool {
    match unaliased(expression) {
        Expr::AggregateFunction(function) => *function.func == *AVG,
        Expr::WindowFunction(function) => matches!(&function.fun, WindowFunctionDefinition::AggregateUDF(func) if **func == *AVG),
        _ => false,
    }
}

/// A function of a node as it is computed from now on.
fn computed(function: &Expr, input: &DFSchema) -> Result<Computed> {
    let argument = match unaliased(function) {
        function if !is_ours(function) => return Ok(Computed::Whole(function.clone())),
        Expr::AggregateFunction(function) => &function.params.args[0],
        Expr::WindowFunction(function) => &function.params.args[0],
        _ => return Ok(Computed::Whole(function.clone())),
    };
    let argument_type = argument.get_type(input)?;
    if average::scale(&argument_type).is_none() {
        return Ok(Computed::Whole(in_place(function, avg_udaf(), argument.clone())));
    }
    let sum = Arc::new(numeric_sum::function());
    let summed = argument.clone().cast_to(&sum.inner().coerce_types(&[argument_type])?[0], input)?;
    Ok(Computed::Parts { sum: in_place(function, sum, summed), count: in_place(function, count_udaf(), argument.clone()) })
}

enum Computed {
    Whole(Expr),
    Parts { sum: Expr, count: Expr },
}

/// The same, of another function and argument.
fn in_place(function: &Expr, by: Arc<AggregateUDF>, argument: Expr) -> Expr {
    match unaliased(function).clone() {
        Expr::AggregateFunction(mut function) => {
            function.func = by;
            function.params.args = vec![argument];
            Expr::AggregateFunction(function)
        }
        Expr::WindowFunction(mut function) => {
            function.fun = WindowFunctionDefinition::AggregateUDF(by);
            function.params.args = vec![argument];
            Expr::WindowFunction(function)
        }
        other => other,
    }
}

//! Which window functions can be computed from a place in the order on: those that look at a number of rows, and those that can be put
//! together from what they gave for the row before.

use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Field};
use datafusion::common::{Column, DFSchema, ScalarValue};
use datafusion::functions_window::row_number::row_number_udwf;
use datafusion::logical_expr::expr::{NullTreatment, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Window, WindowFrame, WindowFrameBound, WindowFrameUnits,
    WindowFunctionDefinition, ident, when,
};

use super::aggregate::only;
use super::ties::one_order;
use super::window::sort_columns;
use super::{Lowering, New, wording};
use crate::error::Result;
use crate::flow::engine::operators::{FOLLOWS, Following, FollowingSpec, RowReach, before};
use crate::flow::engine::program::{Program, nullable};
use crate::flow::engine::relation::Arrival;

const NUMBER: &str = "__number";

/// Aggregates for which it does not matter which rows were added and taken away before, but for sums of floats.
const EXACT: [&str; 11] = ["count", "sum", "min", "max", "bit_and", "bit_or", "bit_xor", "bool_and", "bool_or", "array_agg", "string_agg"];

/// What makes a function's answer out of what it gives over the rows from a place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Carry {
    /// It is the answer.
    Nothing,
    /// What it was in the row before is added.
    Sum,
    Least,
    Greatest,
    /// The number of rows before is added.
    Number,
}

/// A window whose functions can all be computed so.
struct LookingBack {
    key: Vec<usize>,
    order: Vec<(usize, SortOptions)>,
    reach: RowReach,
    carries: Vec<Carry>,
}

impl Lowering<'_> {
    /// `None` where a change may concern rows before it, however far.
    pub(super) async fn following(&mut self, window: &Window) -> Result<Option<usize>> {
        let Some(LookingBack { key, order, reach, carries }) = looking_back(window)? else { return Ok(None) };
        let input = self.lower(&window.input).await?;
        let first = window.input.schema().fields().len();
        let mut carried: Vec<usize> =
            carries.iter().enumerate().filter(|(_, carry)| is_carried(**carry)).map(|(function, _)| first + function).collect();
        carried.push(first + carries.len());
        let leaf = leaf_schema(window, &carried)?;
        let unique = self.nodes[input].unique.clone();
        let build = |leaves| over(window, &carries, carried.len(), only(leaves)?);
        let program = Program::in_order(self.state, leaf.into(), &one_order(window, unique.as_deref()), build).await?;
        let kept = match (key.is_empty(), reach) {
            (true, _) => "all rows in their order; a change costs the rows that come after it",
            (false, RowReach { after: 0, .. }) => {
                "rows in their order, by partition; a change costs the rows that come after it in its partition"
            }
            (false, _) => {
                "rows in their order, by partition; a change costs the rows after it in its partition, and the few before that look so far"
            }
        };
        let schema = nullable(window.schema.as_arrow());
        let spec = FollowingSpec { program, input: self.nodes[input].schema.clone(), key, order, reach, carried };
        let operator = Box::new(Following::new(spec)?);
        let title = wording::window(window);
        Ok(Some(self.add(New { operator, inputs: vec![input], schema, arrival: Arrival::Changing, unique, title, kept })))
    }
}

fn is_carried(carry: Carry) -> bool {
    matches!(carry, Carry::Sum | Carry::Least | Carry::Greatest)
}

fn looking_back(window: &Window) -> Result<Option<LookingBack>> {
    let input = window.input.schema();
    let functions = window.window_expr.iter().map(|expression| match expression.clone().unalias() {
        Expr::WindowFunction(function) => Some(function),
        _ => None,
    });
    let Some(functions) = functions.collect::<Option<Vec<_>>>() else { return Ok(None) };
    let Some(WindowFunctionParams { partition_by, order_by, .. }) = functions.first().map(|function| &function.params) else {
        return Ok(None);
    };
    let is_same = |function: &WindowFunction| function.params.partition_by == *partition_by && function.params.order_by == *order_by;
    if order_by.is_empty() || !functions.iter().all(|function| is_same(function)) {
        return Ok(None);
    }
    let place = |expression: &Expr| match expression {
        Expr::Column(column) => input.index_of_column(column).ok(),
        _ => None,
    };
    let Some(key) = partition_by.iter().map(place).collect::<Option<Vec<_>>>() else { return Ok(None) };
    let Some(order) = sort_columns(order_by, input).into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
    // Floats that differ in their bits may be equal, and who finds rows by them must agree about that with who sorts them.
    if order.iter().map(|(column, _)| column).chain(&key).any(|column| input.field(*column).data_type().is_floating()) {
        return Ok(None);
    }
    let results = window.schema.fields().iter().skip(input.fields().len());
    let mut reach = RowReach::default();
    let mut carries = Vec::with_capacity(functions.len());
    for (function, result) in functions.iter().zip(results) {
        let Some((of_function, carry)) = look(function, result, input)? else { return Ok(None) };
        reach = RowReach { before: reach.before.max(of_function.before), after: reach.after.max(of_function.after) };
        carries.push(carry);
    }
    Ok(Some(LookingBack { key, order, reach, carries }))
}

/// How far a function looks, and what is to be done with what it gives.
fn look(function: &WindowFunction, result: &Field, input: &DFSchema) -> Result<Option<(RowReach, Carry)>> {
    let WindowFunctionParams { args, window_frame, null_treatment, distinct, .. } = &function.params;
    if *null_treatment == Some(NullTreatment::IgnoreNulls) {
        return Ok(None);
    }
    let is_aggregate = matches!(function.fun, WindowFunctionDefinition::AggregateUDF(_));
    let look = match (function.fun.name(), rows_frame(window_frame)) {
        ("row_number" | "dense_rank", _) => Some((RowReach::default(), Carry::Sum)),
        ("rank", _) => Some((RowReach::default(), Carry::Number)),
        ("lag", _) => offset(args).map(|before| (RowReach { before, after: 0 }, Carry::Nothing)),
        ("lead", _) => offset(args).map(|after| (RowReach { before: 0, after }, Carry::Nothing)),
        ("first_value" | "last_value" | "nth_value", Some(reach)) => Some((reach, Carry::Nothing)),
        (name, Some(reach)) if is_aggregate && EXACT.contains(&name) && !(name == "sum" && any_floats(args, input)?) => {
            Some((reach, Carry::Nothing))
        }
        (name, None) if is_aggregate && !distinct && is_up_to_here(window_frame) => {
            carry(name, result.data_type()).map(|carry| (RowReach::default(), carry))
        }
        _ => None,
    };
    Ok(look)
}

/// The rows that a frame of so many of them reaches.
fn rows_frame(frame: &WindowFrame) -> Option<RowReach> {
    if frame.units != WindowFrameUnits::Rows {
        return None;
    }
    let before = match &frame.start_bound {
        WindowFrameBound::Preceding(rows) => whole(rows)?,
        WindowFrameBound::CurrentRow => 0,
        WindowFrameBound::Following(rows) => whole(rows).map(|_| 0)?,
    };
    let after = match &frame.end_bound {
        WindowFrameBound::Following(rows) => whole(rows)?,
        WindowFrameBound::CurrentRow => 0,
        WindowFrameBound::Preceding(rows) => whole(rows).map(|_| 0)?,
    };
    Some(RowReach { before, after })
}

fn is_up_to_here(frame: &WindowFrame) -> bool {
    frame.start_bound.is_unbounded() && frame.end_bound == WindowFrameBound::CurrentRow
}

fn whole(number: &ScalarValue) -> Option<usize> {
    match number {
        ScalarValue::UInt64(Some(number)) => usize::try_from(*number).ok(),
        ScalarValue::Int64(Some(number)) => usize::try_from(*number).ok(),
        _ => None,
    }
}

/// Of lag and lead.
fn offset(args: &[Expr]) -> Option<usize> {
    match args.get(1) {
        None => Some(1),
        Some(Expr::Literal(number, _)) => whole(number),
        Some(_) => None,
    }
}

fn any_floats(args: &[Expr], input: &DFSchema) -> Result<bool> {
    for argument in args {
        if argument.get_type(input)?.is_floating() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn carry(name: &str, result: &DataType) -> Option<Carry> {
    let is_exact = result.is_integer() || result.is_decimal();
    let is_ordered = is_exact || result.is_string() || (result.is_temporal() && !matches!(result, DataType::Interval(_)));
    match name {
        "count" => Some(Carry::Sum),
        "sum" if is_exact => Some(Carry::Sum),
        "min" if is_ordered => Some(Carry::Least),
        "max" if is_ordered => Some(Carry::Greatest),
        _ => None,
    }
}

fn leaf_schema(window: &Window, carried: &[usize]) -> Result<DFSchema> {
    let field_of = |column: &usize| match window.schema.fields().get(*column) {
        Some(field) => Field::new(before(*column), field.data_type().clone(), true),
        None => Field::new(before(*column), DataType::UInt64, true),
    };
    let fields = std::iter::once(Field::new(FOLLOWS, DataType::Boolean, true)).chain(carried.iter().map(field_of));
    Ok(window.input.schema().join(&DFSchema::from_unqualified_fields(fields.collect(), Default::default())?)?)
}

/// The window over `leaf`, which has the rows to compute and those that they look at, with what was before them.
fn over(window: &Window, carries: &[Carry], carried: usize, leaf: LogicalPlan) -> Result<LogicalPlan> {
    let inputs = window.input.schema().fields().len();
    let number = number_in(window).alias(NUMBER);
    let functions = window.window_expr.iter().cloned().chain([number]);
    let given = LogicalPlanBuilder::from(leaf).window(functions)?.filter(ident(FOLLOWS))?.build()?;
    let column = |place: usize| Expr::Column(Column::from(given.schema().qualified_field(place)));
    let mut columns: Vec<Expr> = (0..inputs).map(column).collect();
    let number = inputs + carries.len();
    for (nth, carry) in carries.iter().chain([&Carry::Number]).enumerate() {
        let (here, name) =
            (column(inputs + 1 + carried + nth), window.schema.fields().get(inputs + nth).map_or(NUMBER, |field| field.name()));
        columns.push(carried_on(*carry, here, inputs + nth, number, given.schema())?.alias(name));
    }
    Ok(LogicalPlanBuilder::from(given).project(columns)?.build()?)
}

/// `here`, which column `place` gives over the rows from a place on, as the answer.
fn carried_on(carry: Carry, here: Expr, place: usize, number: usize, schema: &DFSchema) -> Result<Expr> {
    let before = ident(before(if carry == Carry::Number { number } else { place }));
    let both = match carry {
        Carry::Nothing => return Ok(here),
        Carry::Sum | Carry::Number => {
            let data_type = here.get_type(schema)?;
            (before.clone() + here.clone()).cast_to(&data_type, schema)?
        }
        Carry::Least => when(here.clone().lt(before.clone()), here.clone()).otherwise(before.clone())?,
        Carry::Greatest => when(here.clone().gt(before.clone()), here.clone()).otherwise(before.clone())?,
    };
    Ok(when(before.clone().is_null(), here.clone()).when(here.is_null(), before).otherwise(both)?)
}

/// The number of a row in its partition.
fn number_in(window: &Window) -> Expr {
    let params = match window.window_expr.first().cloned().map(Expr::unalias) {
        Some(Expr::WindowFunction(function)) => function.params,
        _ => unreachable!("a window has functions"),
    };
    let WindowFunctionParams { partition_by, order_by, .. } = params;
    let mut function = WindowFunction::new(WindowFunctionDefinition::WindowUDF(row_number_udwf()), vec![]);
    function.params = WindowFunctionParams { partition_by, order_by, window_frame: WindowFrame::new(Some(false)), ..function.params };
    Expr::from(function)
}

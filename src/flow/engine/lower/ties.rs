//! Where rows tie in a window's order, its functions may answer by any order of them, but all by one, and by the same each time: the rows come
//! sorted by what else they have.

use arrow::compute::SortOptions;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, Window, WindowFrameUnits, WindowFunctionDefinition};

use super::window::{partition_columns, sort_columns};

/// An order of the window's input, its own first, in which only rows tie that are alike. None, which is empty, where no function can tell or the
/// window's own is such a one: in the columns `unique` of the input no two rows are alike.
pub(super) fn one_order(window: &Window, unique: Option<&[usize]>) -> Vec<(usize, SortOptions)> {
    let functions: Vec<WindowFunction> = window.window_expr.iter().filter_map(function_in).collect();
    let Some(first) = functions.first().filter(|_| functions.iter().any(tells_ties_apart)) else { return vec![] };
    let input = window.input.schema();
    let ascending = |column: usize| (column, SortOptions::default());
    let by_partition = partition_columns(first, window).into_iter().map(ascending);
    // By a constant nothing is sorted.
    let by_order = sort_columns(&first.params.order_by, input).into_iter().flatten();
    let own = each_once(by_partition.chain(by_order));
    let all: Vec<usize> = (0..input.fields().len()).collect();
    let ordered = each_once(own.iter().copied().chain(unique.unwrap_or(&all).iter().copied().map(ascending)));
    if ordered.len() == own.len() { vec![] } else { ordered }
}

/// By a column that the rows are sorted by before, they are sorted no more.
fn each_once(columns: impl Iterator<Item = (usize, SortOptions)>) -> Vec<(usize, SortOptions)> {
    let mut order: Vec<(usize, SortOptions)> = vec![];
    for column in columns {
        if order.iter().all(|(known, _)| *known != column.0) {
            order.push(column);
        }
    }
    order
}

fn function_in(expression: &Expr) -> Option<WindowFunction> {
    match expression.clone().unalias() {
        Expr::WindowFunction(function) => Some(*function),
        _ => None,
    }
}

/// Whether the order of rows that tie makes a difference to what a function gives.
fn tells_ties_apart(function: &WindowFunction) -> bool {
    let frame = &function.params.window_frame;
    let is_aggregate = matches!(function.fun, WindowFunctionDefinition::AggregateUDF(_));
    match function.fun.name() {
        "rank" | "dense_rank" | "percent_rank" | "cume_dist" => false,
        "array_agg" | "string_agg" => true,
        // Frames end between peers, or have all rows.
        _ if is_aggregate => frame.units == WindowFrameUnits::Rows && !(frame.start_bound.is_unbounded() && frame.end_bound.is_unbounded()),
        _ => true,
    }
}

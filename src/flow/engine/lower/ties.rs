//! Where rows tie in a window's order, its functions may answer by any order of them, but all by one, and by the same each time: the rows come
//! sorted by what else they have.

use arrow::compute::SortOptions;
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{Expr, SortExpr, Window, WindowFrameUnits, WindowFunctionDefinition};

/// An order of the window's input, its own first, in which only rows tie that are alike. None, which is empty, where no function can tell or the
/// window's own is such a one: in the columns `unique` of the input no two rows are alike.
pub(super) fn one_order(window: &Window, unique: Option<&[usize]>) -> Vec<(usize, SortOptions)> {
    let functions: Vec<WindowFunction> = window.window_expr.iter().filter_map(function_in).collect();
    let Some(first) = functions.first().filter(|_| functions.iter().any(tells_ties_apart)) else { return vec![] };
    let WindowFunctionParams { partition_by, order_by, .. } = &first.params;
    let input = window.input.schema();
    // By a constant nothing is sorted.
    let place = |expression: &Expr| match expression {
        Expr::Column(column) => input.index_of_column(column).ok(),
        _ => None,
    };
    let by_partition = partition_by.iter().filter_map(place).map(|column| (column, SortOptions::default()));
    let options = |sort: &SortExpr| SortOptions { descending: !sort.asc, nulls_first: sort.nulls_first };
    let by_order = order_by.iter().filter_map(|sort| Some((place(&sort.expr)?, options(sort))));
    let mut order: Vec<(usize, SortOptions)> = vec![];
    for column in by_partition.chain(by_order) {
        if order.iter().all(|(known, _)| *known != column.0) {
            order.push(column);
        }
    }
    let own = order.len();
    let all: Vec<usize> = (0..input.fields().len()).collect();
    for column in unique.unwrap_or(&all) {
        if order.iter().all(|(known, _)| known != column) {
            order.push((*column, SortOptions::default()));
        }
    }
    if order.len() == own { vec![] } else { order }
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

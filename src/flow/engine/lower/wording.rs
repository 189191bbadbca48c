//! Plans in the words of SQL, for EXPLAIN.

use arrow::datatypes::DataType;
use arrow::util::display::array_value_to_string;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, JoinType, ScalarValue, TableReference};
use datafusion::logical_expr::expr::{AggregateFunctionParams, WindowFunction};
use datafusion::logical_expr::{Expr, Join, LogicalPlan, SortExpr, Window, WindowFrame};

pub fn list(expressions: &[Expr]) -> String {
    expressions.iter().map(words).collect::<Vec<_>>().join(", ")
}

/// An expression. What the planner named for itself says what it is, not what it is called.
pub fn words(expression: &Expr) -> String {
    match expression {
        Expr::Alias(alias) => {
            let inner = words(&alias.expr.as_ref().clone().unalias());
            let says_more = !alias.name.starts_with("__") && !alias.name.contains('(') && !inner.ends_with(&alias.name);
            if says_more { format!("{inner} as {}", alias.name) } else { inner }
        }
        Expr::WindowFunction(function) => over(function),
        Expr::AggregateFunction(function) if !function.params.order_by.is_empty() => {
            let AggregateFunctionParams { args, order_by, .. } = &function.params;
            format!("{}({} order by {})", function.func.name(), list(args), order_list(order_by))
        }
        other => readable(other).human_display().to_string().replace("count(1)", "count(*)"),
    }
}

/// The expression with columns under names that a user understands.
fn readable(expression: &Expr) -> Expr {
    let renamed = expression.clone().transform(|part| {
        Ok(match part {
            Expr::Column(column) => {
                let relation = column.relation.map(|relation| match relation.table().starts_with("__") {
                    true => TableReference::bare("subquery"),
                    false => relation,
                });
                Transformed::yes(Expr::Column(Column::new(relation, name(&column.name))))
            }
            Expr::AggregateFunction(mut function) if function.func.name() == "sum" => {
                function.params.args = function.params.args.into_iter().map(without_cast).collect();
                Transformed::yes(Expr::AggregateFunction(function))
            }
            Expr::Literal(value, _) if value.data_type().is_temporal() && !value.is_null() => {
                Transformed::yes(Expr::Column(Column::new_unqualified(literal(&value))))
            }
            other => Transformed::no(other),
        })
    });
    renamed.map_or_else(|_| expression.clone(), |renamed| renamed.data)
}

/// What is summed is widened by the planner, which says nothing to a user.
fn without_cast(summed: Expr) -> Expr {
    match summed {
        Expr::Cast(cast) => *cast.expr,
        other => other,
    }
}

fn literal(value: &ScalarValue) -> String {
    let kind = if matches!(value.data_type(), DataType::Interval(_)) { "interval " } else { "" };
    let array = value.to_array().ok();
    let shown = array.and_then(|array| array_value_to_string(&array, 0).ok());
    shown.map_or_else(|| value.to_string(), |shown| format!("{kind}'{shown}'"))
}

/// A column that the planner named after an expression, as that expression would be written.
pub fn name(column: &str) -> String {
    let short = [" PARTITION BY [", " ORDER BY [", " RANGE BETWEEN ", " ROWS BETWEEN "]
        .iter()
        .fold(column, |name, clause| name.split_once(clause).map_or(name, |(before, _)| before));
    let short = short.replace("__unnest_placeholder(", "unnest(").replace(",depth=1)", ")").replace("count(Int64(1))", "count(*)");
    let short = with_intervals(&short);
    ["Int64(", "UInt64(", "Float64(", "Utf8(", "Boolean("].iter().fold(short, |name, kind| without(&name, kind))
}

/// Intervals as they are written, where they stand as the planner prints them.
fn with_intervals(name: &str) -> String {
    const BEGINS: &str = "IntervalMonthDayNano(\"IntervalMonthDayNano { ";
    const ENDS: &str = " }\")";
    let Some((before, (printed, rest))) = name.split_once(BEGINS).and_then(|(before, rest)| Some((before, rest.split_once(ENDS)?))) else {
        return name.to_string();
    };
    let part = |field: &str| printed.split(", ").find_map(|part| part.strip_prefix(field)?.strip_prefix(": ")?.parse::<i64>().ok());
    let interval = || {
        let (months, days) = (part("months")?.try_into().ok()?, part("days")?.try_into().ok()?);
        Some(literal(&ScalarValue::new_interval_mdn(months, days, part("nanoseconds")?)))
    };
    format!("{before}{}{}", interval().unwrap_or_else(|| printed.to_string()), with_intervals(rest))
}

/// Leaves out the name of a literal's type.
fn without(name: &str, kind: &str) -> String {
    let mut left = name;
    let mut made = String::with_capacity(name.len());
    while let Some((before, after)) = left.split_once(kind) {
        let Some((inner, rest)) = after.split_once(')') else { break };
        made.push_str(before);
        made.push_str(inner);
        left = rest;
    }
    made.push_str(left);
    made
}

/// As in ORDER BY, where nulls are said only where they are not in their usual place.
pub fn order_list(order: &[SortExpr]) -> String {
    let part = |sort: &SortExpr| {
        let direction = if sort.asc { "" } else { " desc" };
        let nulls = match (sort.asc, sort.nulls_first) {
            (true, true) => " nulls first",
            (false, false) => " nulls last",
            _ => "",
        };
        format!("{}{direction}{nulls}", words(&sort.expr))
    };
    match order.is_empty() {
        true => "no order".to_string(),
        false => order.iter().map(part).collect::<Vec<_>>().join(", "),
    }
}

/// Names, with a number, of columns that hold what windows partition or order by.
pub const WINDOW_COLUMN: &str = "__window";

/// What is computed for the window alone is shown as it is computed.
pub fn window(window: &Window) -> String {
    let computed = match window.input.as_ref() {
        LogicalPlan::Projection(projection) => projection.expr.as_slice(),
        _ => &[],
    };
    let shown = |column: &Column| {
        let mut aliases = computed.iter().filter_map(|expression| if let Expr::Alias(alias) = expression { Some(alias) } else { None });
        aliases.find(|alias| column.name.starts_with(WINDOW_COLUMN) && alias.name == column.name).map(|alias| alias.expr.as_ref().clone())
    };
    let functions = window.window_expr.iter().map(|function| {
        let replaced = function.clone().transform(|part| {
            let inner = if let Expr::Column(column) = &part { shown(column) } else { None };
            Ok(inner.map_or(Transformed::no(part), |inner| Transformed::new(inner, true, TreeNodeRecursion::Jump)))
        });
        replaced.map_or_else(|_| function.clone(), |replaced| replaced.data)
    });
    format!("Window {}", list(&functions.collect::<Vec<_>>()))
}

fn over(function: &WindowFunction) -> String {
    let params = &function.params;
    let mut over = Vec::new();
    if !params.partition_by.is_empty() {
        over.push(format!("partition by {}", list(&params.partition_by)));
    }
    if !params.order_by.is_empty() {
        over.push(format!("order by {}", order_list(&params.order_by)));
    }
    let is_usual = params.window_frame == WindowFrame::new((!params.order_by.is_empty()).then_some(false));
    let counts_rows = ["row_number", "rank", "dense_rank", "lag", "lead"].contains(&function.fun.name());
    if !is_usual && !counts_rows {
        over.push(params.window_frame.to_string().to_lowercase());
    }
    let args = match function.fun.name() {
        "sum" => list(&params.args.iter().cloned().map(without_cast).collect::<Vec<_>>()),
        _ => list(&params.args),
    };
    format!("{}({args}) over ({})", function.fun.name(), over.join(" "))
}

pub fn join(join: &Join) -> String {
    let kind = match join.join_type {
        JoinType::Inner if join.on.is_empty() && join.filter.is_none() => "Cross join",
        JoinType::Inner => "Join",
        JoinType::Left => "Left join",
        JoinType::Right => "Right join",
        JoinType::Full => "Full join",
        JoinType::LeftSemi => "Rows of the first with a match in the second",
        JoinType::RightSemi => "Rows of the second with a match in the first",
        JoinType::LeftAnti => "Rows of the first without a match in the second",
        JoinType::RightAnti => "Rows of the second without a match in the first",
        JoinType::LeftMark => "Whether rows of the first have a match in the second",
        JoinType::RightMark => "Whether rows of the second have a match in the first",
    };
    let equal = join.on.iter().map(|(left, right)| format!("{} = {}", words(left), words(right)));
    let conditions: Vec<String> = equal.chain(join.filter.iter().map(words)).collect();
    match (conditions.is_empty(), kind.to_lowercase().ends_with("join")) {
        (true, _) => kind.to_string(),
        (false, true) => format!("{kind} on {}", conditions.join(" AND ")),
        (false, false) => format!("{kind}: {}", conditions.join(" AND ")),
    }
}

/// What has no words of its own.
pub fn plan(plan: &LogicalPlan) -> String {
    match plan {
        LogicalPlan::Unnest(unnest) => {
            let columns = unnest.exec_columns.iter().map(|column| words(&Expr::Column(column.clone())));
            format!("Unnest {}", columns.collect::<Vec<_>>().join(", "))
        }
        LogicalPlan::EmptyRelation(relation) if relation.produce_one_row => "One row".to_string(),
        LogicalPlan::EmptyRelation(_) => "No rows".to_string(),
        LogicalPlan::Values(values) => format!("Values, {}", values.values.len()),
        LogicalPlan::RecursiveQuery(query) => format!("Recursive query {}", query.name),
        LogicalPlan::Limit(limit) => {
            let part = |word: &str, count: Option<&Expr>| count.map(|count| format!("{word} {}", words(count)));
            let parts = [part("limit", limit.fetch.as_deref()), part("offset", limit.skip.as_deref())];
            let parts: Vec<String> = parts.into_iter().flatten().filter(|part| part != "offset 0").collect();
            format!("Any rows, {}", parts.join(" "))
        }
        other => other.display().to_string(),
    }
}

//! Plans in the words of SQL, for EXPLAIN.

use datafusion::common::JoinType;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, Join, LogicalPlan, SortExpr, WindowFrame};

pub fn list(expressions: &[Expr]) -> String {
    expressions.iter().map(words).collect::<Vec<_>>().join(", ")
}

/// An expression. What the planner named for itself says what it is, not what it is called.
pub fn words(expression: &Expr) -> String {
    match expression {
        Expr::Alias(alias) if alias.name == alias.expr.schema_name().to_string() => words(&alias.expr),
        Expr::Alias(alias) if alias.name.starts_with("__") => words(&alias.expr),
        Expr::Alias(alias) => match alias.expr.as_ref() {
            Expr::Column(column) if column.name == alias.name => words(&alias.expr),
            inner => format!("{} as {}", words(inner), alias.name),
        },
        Expr::WindowFunction(function) => window(function),
        other => other.human_display().to_string(),
    }
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

fn window(function: &WindowFunction) -> String {
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
    format!("{}({}) over ({})", function.fun.name(), list(&params.args), over.join(" "))
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
    match conditions.is_empty() {
        true => kind.to_string(),
        false => format!("{kind} on {}", conditions.join(" and ")),
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
        LogicalPlan::Limit(_) => "Limit".to_string(),
        other => other.display().to_string(),
    }
}

//! What becomes of a `*` when the data brings a field that the query names itself: `SELECT *, event_time::date AS event_date`, and one day the
//! records have an `event_date`. The query keeps its column, the field goes to a sibling: neither is lost, and nothing stops.

use std::collections::HashSet;

use sqlparser::ast::{ExcludeSelectItem, Expr, Ident, ObjectName, Query, SelectItem, SetExpr};

use super::result_names::item_name;

/// Takes the columns that the query's outermost SELECT names itself out of its `*`, and puts them at its end under their sibling's names.
/// `columns` are those of the `*`, each with its sibling's name. A query whose `*` stands elsewhere is left as it is.
pub fn set_aside(query: &mut Query, columns: &[(String, String)]) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let named: HashSet<String> = select.projection.iter().filter_map(item_name).collect();
    let clashing: Vec<_> = columns.iter().filter(|(column, _)| named.contains(column)).collect();
    let mut wildcards = select.projection.iter_mut().filter_map(|item| match item {
        SelectItem::Wildcard(options) => Some(options),
        _ => None,
    });
    let (Some(options), None, false) = (wildcards.next(), wildcards.next(), clashing.is_empty()) else { return };
    let mut excluded = match options.opt_exclude.take() {
        None => vec![],
        Some(ExcludeSelectItem::Single(one)) => vec![one],
        Some(ExcludeSelectItem::Multiple(several)) => several,
    };
    excluded.extend(clashing.iter().map(|(column, _)| ObjectName::from(vec![Ident::with_quote('"', column)])));
    options.opt_exclude = Some(ExcludeSelectItem::Multiple(excluded));
    select.projection.extend(clashing.into_iter().map(|(column, sibling)| SelectItem::ExprWithAlias {
        expr: Expr::Identifier(Ident::with_quote('"', column)),
        alias: Ident::with_quote('"', sibling),
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::parse_query;

    fn after(query: &str) -> String {
        let mut query = parse_query(query).unwrap();
        set_aside(&mut query, &[("a".to_string(), "a__text".to_string()), ("b".to_string(), "b__bigint".to_string())]);
        query.to_string()
    }

    #[test]
    fn a_column_that_the_query_names_leaves_the_star() {
        assert_eq!(after("SELECT *, 1 AS a FROM s"), r#"SELECT * EXCLUDE ("a"), 1 AS a, "a" AS "a__text" FROM s"#);
        assert_eq!(after("SELECT *, 1 AS c FROM s"), "SELECT *, 1 AS c FROM s");
        assert_eq!(after("SELECT a, b FROM s"), "SELECT a, b FROM s");
    }
}

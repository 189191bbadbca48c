//! Which names mean `WITH` queries at a place of a query, rather than relations.

use sqlparser::ast::{ObjectName, Query};

use crate::model::name::fold;

/// Followed along while a query is visited: `enter` and `leave` come before and after each query.
#[derive(Default)]
pub struct WithScopes(Vec<Scope>);

/// The names that are known, and the `WITH` queries that are still to come.
struct Scope {
    known: Vec<String>,
    /// The address of each query that makes a name known once it is over, in order; it is only compared.
    coming: Vec<(*const Query, String)>,
}

impl WithScopes {
    pub fn enter(&mut self, query: &Query) {
        let mut scope = Scope { known: Vec::new(), coming: Vec::new() };
        if let Some(with) = &query.with {
            for cte in &with.cte_tables {
                match with.recursive {
                    true => scope.known.push(fold(&cte.alias.name)),
                    false => scope.coming.push((&raw const *cte.query, fold(&cte.alias.name))),
                }
            }
        }
        self.0.push(scope);
    }

    pub fn leave(&mut self, query: &Query) {
        self.0.pop();
        if let Some(scope) = self.0.last_mut()
            && scope.coming.first().is_some_and(|(coming, _)| std::ptr::eq(*coming, query))
        {
            let (_, name) = scope.coming.remove(0);
            scope.known.push(name);
        }
    }

    /// Whether the name means a `WITH` query here.
    pub fn knows(&self, name: &ObjectName) -> bool {
        let [part] = &name.0[..] else { return false };
        let Some(name) = part.as_ident().map(fold) else { return false };
        self.0.iter().any(|scope| scope.known.contains(&name))
    }
}

//! `CREATE INDEX [[IF NOT EXISTS] name] ON view (column, …)`

use std::collections::BTreeSet;

use super::super::view_query::check_is_lasting;
use super::super::{Notice, Outcome, Session};
use crate::catalog::{Change, Definition, IndexDef, Object, ObjectKind, Snapshot, ViewDef};
use crate::error::{Error, Result, SqlState};
use crate::model::{Name, ObjectId};
use crate::query::view::{can_be_looked_up, schema_of};
use crate::sql::{CreateIndex, PlacedName};

/// The most that PostgreSQL allows.
const COLUMNS_MAX: usize = 32;
/// Of a name that is made up, before what makes it another one.
const NAME_BYTES_MAX: usize = 100;

pub async fn run(session: &Session, create: &CreateIndex, text: &str) -> Result<Outcome> {
    let catalog = &session.services.flow.catalog;
    let snapshot = catalog.snapshot();
    if let Some(name) = create.name.as_ref().filter(|name| create.if_not_exists && snapshot.is_taken(ObjectKind::Index, &name.name)) {
        session.notice(Notice::note(format!("relation \"{}\" already exists, skipping", name.name)));
        return Ok(Outcome::done("CREATE INDEX"));
    }
    let (view, definition) = view(&snapshot, &create.view)?;
    let columns = columns(definition, &create.columns)?;
    let created_at = session.services.flow.clock.now();
    let made = catalog.change(|base| {
        let name = match &create.name {
            Some(placed) => placed.name.clone(),
            None => free_name(base, &view.name, &columns)?,
        };
        let definition = Definition::Index(IndexDef { view: view.id, columns });
        Ok(vec![Change::Create(Object { id: ObjectId::new(), name, sql: text.to_string(), created_at, definition })])
    });
    let position = create.name.as_ref().unwrap_or(&create.view).position;
    made.await.map_err(|error| error.at(position))?;
    Ok(Outcome::done("CREATE INDEX"))
}

fn view<'a>(catalog: &'a Snapshot, named: &PlacedName) -> Result<(&'a Object, &'a ViewDef)> {
    let object = catalog.relation(&named.name).ok_or_else(|| ObjectKind::View.undefined(&named.name).at(named.position))?;
    match &object.definition {
        Definition::View(view) => {
            check_is_lasting(object).map_err(|error| error.at(named.position))?;
            Ok((object, view))
        }
        _ => Err(Error::invalid(format!("cannot make an index on {}", object.as_ref()))
            .with_state(SqlState::WRONG_OBJECT_TYPE)
            .with_detail("indexes are for materialized views, which are held in memory")
            .with_hint("partition a table by what it is asked for, or keep a view of it")
            .at(named.position)),
    }
}

fn columns(view: &ViewDef, named: &[PlacedName]) -> Result<Vec<String>> {
    if named.len() > COLUMNS_MAX {
        let error = Error::unsupported(format!("cannot use more than {COLUMNS_MAX} columns in an index"));
        return Err(error.with_state(SqlState::PROGRAM_LIMIT_EXCEEDED).at(named[COLUMNS_MAX].position));
    }
    let schema = schema_of(view);
    let mut seen = BTreeSet::new();
    for column in named {
        let Ok(field) = schema.field_with_name(column.name.as_str()) else {
            let error = Error::undefined(format!("column \"{}\" does not exist", column.name));
            return Err(error.with_state(SqlState::UNDEFINED_COLUMN).at(column.position));
        };
        if !can_be_looked_up(field.data_type()) {
            let sql_type = &view.columns[schema.index_of(field.name())?].data_type;
            return Err(Error::unsupported(format!("rows cannot be looked up by column \"{}\" of type {sql_type}", column.name))
                .with_detail("values that are equal need not be alike")
                .with_hint("cast it in the view to a type that is exact")
                .at(column.position));
        }
        if !seen.insert(&column.name) {
            let error = Error::duplicate(format!("column \"{}\" appears twice in the index", column.name));
            return Err(error.with_state(SqlState::DUPLICATE_COLUMN).at(column.position));
        }
    }
    Ok(named.iter().map(|column| column.name.to_string()).collect())
}

/// As PostgreSQL names them: `view_a_b_idx`, and a number where that is taken.
fn free_name(catalog: &Snapshot, view: &Name, columns: &[String]) -> Result<Name> {
    let whole = format!("{view}_{}", columns.join("_"));
    let stem = &whole[..whole.floor_char_boundary(NAME_BYTES_MAX)];
    let names = std::iter::once(format!("{stem}_idx")).chain((1..).map(|number| format!("{stem}_idx{number}")));
    for name in names {
        let name = Name::new(&name)?;
        if !catalog.is_taken(ObjectKind::Index, &name) {
            return Ok(name);
        }
    }
    unreachable!("there is a number for each name")
}

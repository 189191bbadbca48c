//! `UPDATE`, `DELETE` and `MERGE`: finds rows where they stand, writes the files that they are in anew, and commits both together.
//!
//! # The life of a change
//! 1. The table's rewriting turn is awaited: in this server one statement at a time takes rows out of a table. Appends go on.
//! 2. The newest snapshot is pinned (`target`): all that the statement reads of this table is of this version.
//! 3. A query finds the rows: their file, their number in it, which action is about them, and their new values (`sql::row_change`). It is an
//!    ordinary query, so it reads only files that can have such rows, and it may join, and spill. Its result is sorted by place.
//! 4. The found rows are merged into the files that they are in (`rewriting`), one file after the other: what is held is a batch of each.
//!    Where the log alone tells that all rows of some files are meant, nothing is read.
//! 5. Removes and adds are one commit. If somebody else was faster with what this one depends on, it begins anew with step 2.

mod found;
mod rewriting;
mod target;

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::logical_expr::LogicalPlan;
use datafusion::scalar::ScalarValue;
use sqlparser::ast;
use tokio::task::JoinSet;

use super::{Session, prepare};
use crate::error::{Error, Result, SqlState};
use crate::flow::assign::{Assignment, Into};
use crate::lake::{FILE, Operation, ROW, Rewrite, Rewritten};
use crate::model::{SchemaMode, SqlType};
use crate::sql::{Addressed, ChangedTable, PlacedName};
use rewriting::{Action, Prepared, Rewriting};
use target::Target;

pub use found::Repeated;
pub use rewriting::ActionKind;
pub use target::find;

/// So often a statement begins anew because others changed the rows that it looks at.
pub const ATTEMPTS_MAX: u32 = 10;

const ACTION: &str = "__lakewire_action";
/// Columns of a query for rows before the values.
const VALUES_FROM: usize = 3;

/// What a query for rows calls its columns.
pub const ADDRESSED: Addressed = Addressed { schema: target::ADDRESSED_SCHEMA, file: FILE, row: ROW, action: ACTION };

/// What a statement wants of a table with certain columns.
pub struct Wanted {
    pub query: ast::Query,
    /// By number: the query's action.
    pub actions: Vec<WantedAction>,
    pub repeated: Repeated,
}

pub struct WantedAction {
    pub kind: ActionKind,
    /// The columns that its values go to, with the places where errors about them point to.
    pub columns: Vec<PlacedName>,
}

/// A statement, given the columns of its table.
pub type Want<'a> = &'a (dyn Fn(&Schema) -> Result<Wanted> + Sync);

/// Changes the rows and returns how many.
pub async fn run(
    session: &Session,
    table: &ChangedTable,
    want: Want<'_>,
    text: &str,
    parameters: &[ScalarValue],
    operation: Operation,
) -> Result<u64> {
    let (object, definition) = find(session, &table.name)?;
    let turn = session.services.flow.lake.table(&definition.location)?.rewriting_turn().await;
    for _ in 0..ATTEMPTS_MAX {
        let target = Arc::new(Target::open(session, &object, turn.table()).await?);
        let wanted = want(target.snapshot().schema())?;
        let plan = prepare::bind(target.plan(&wanted.query, text).await?, parameters)?;
        let actions = actions(&wanted, &plan, target.snapshot().schema(), object.name.as_str())?;
        let prepared = carry_out(session, &target, plan, actions, wanted.repeated, definition.target_file_bytes).await?;
        let rows = prepared.rows;
        if prepared.is_nothing() {
            return Ok(rows);
        }
        let adds = prepared.adds.clone();
        let rewrite = Rewrite { removes: prepared.removes, adds: prepared.adds, transaction: None, operation: operation.clone() };
        match turn.commit(target.snapshot(), rewrite).await? {
            Rewritten::At(_) | Rewritten::Already => return Ok(rows),
            Rewritten::Overtaken => turn.table().discard(&adds).await,
        }
    }
    Err(overtaken(object.name.as_str()))
}

pub fn overtaken(table: &str) -> Error {
    Error::unavailable("could not serialize access due to concurrent update")
        .with_state(SqlState::SERIALIZATION_FAILURE)
        .with_detail(format!("others changed table \"{table}\" {ATTEMPTS_MAX} times while this statement was at it"))
        .with_hint("try again")
}

/// The query for rows, planned, so that its parameters are known.
pub async fn plan(session: &Session, table: &ChangedTable, want: Want<'_>, text: &str) -> Result<(LogicalPlan, ast::Query)> {
    let (object, definition) = find(session, &table.name)?;
    let target = Target::open(session, &object, &session.services.flow.lake.table(&definition.location)?).await?;
    let wanted = want(target.snapshot().schema())?;
    Ok((target.plan(&wanted.query, text).await?, wanted.query))
}

/// The type of a column that a statement sets.
pub fn column_type(schema: &Schema, table: &ChangedTable, column: &PlacedName) -> Result<SqlType> {
    match schema.field_with_name(column.name.as_str()) {
        Ok(field) => Ok(SqlType::from_field(field)),
        Err(_) => Err(Error::undefined(format!("column \"{}\" of relation \"{}\" does not exist", column.name, table.name.name))
            .with_state(SqlState::UNDEFINED_COLUMN)
            .at(column.position)),
    }
}

/// How the values of each action become columns of the table.
fn actions(wanted: &Wanted, plan: &LogicalPlan, table: &Schema, relation: &str) -> Result<Vec<Action>> {
    let result = plan.schema().as_arrow();
    let mut from = VALUES_FROM;
    let mut actions = Vec::with_capacity(wanted.actions.len());
    for action in &wanted.actions {
        let names = action.columns.iter().map(|column| column.name.to_string()).collect::<Vec<_>>();
        let values = from..from + names.len();
        from = values.end;
        let given = result.project(&values.clone().collect::<Vec<_>>())?;
        // An update leaves the other columns as they are; what is inserted has nothing but what is given.
        let schema = match action.kind {
            ActionKind::Insert => table.clone(),
            _ => Schema::new(table.fields().iter().filter(|field| names.contains(field.name())).cloned().collect::<Vec<_>>()),
        };
        let into = Into { relation, schema: &schema, mode: SchemaMode::Fixed };
        let assignment = Assignment::new(&given, &names, &into).map_err(|error| placed(error, &action.columns))?;
        actions.push(Action { kind: action.kind, values, assignment });
    }
    Ok(actions)
}

/// Points an error to the column that it names.
fn placed(error: Error, columns: &[PlacedName]) -> Error {
    let named = columns.iter().find(|column| error.message().contains(&format!("\"{}\"", column.name)));
    match named {
        Some(column) => error.at(column.position),
        None => error,
    }
}

/// Works on the threads that compute, and stops there when the statement is given up.
async fn carry_out(
    session: &Session,
    target: &Arc<Target>,
    plan: LogicalPlan,
    actions: Vec<Action>,
    repeated: Repeated,
    target_file_bytes: u64,
) -> Result<Prepared> {
    let compute = session.services.query.compute.clone();
    let target = target.clone();
    let mut work = JoinSet::new();
    let rewriting = Rewriting::new(target.clone(), actions, target_file_bytes);
    work.spawn_on(
        async move {
            match target.whole_files(&plan)? {
                Some(files) if rewriting.only_deletes() => rewriting.without_reading(&files),
                _ => rewriting.run(plan, repeated).await,
            }
        },
        &compute,
    );
    match work.join_next().await {
        Some(done) => done?,
        None => Err(Error::internal("a task that was started is not there")),
    }
}

//! The query of a materialized view, or of a pipeline: what it reads, and what its result looks like.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sqlparser::ast::{Expr, Query, Value, visit_expressions};

use super::Session;
use crate::catalog::{Definition, Emit, Object, ObjectKind, Snapshot, ViewColumn, ViewDef, ViewInput};
use crate::error::{Error, Result, SqlState};
use crate::flow::engine::{Dataflow, Delivery, Relation, Watermark};
use crate::model::{Name, ObjectId, SqlType, column};
use crate::query::view;
use crate::sql::{self, result_names};

/// A relation that the query reads, with its columns as of now.
pub struct Input {
    pub object: Arc<Object>,
    /// What the query calls it.
    called: Name,
    pub schema: SchemaRef,
}

/// The relations that a query reads, each once, in the order of the text. Errors name the relation and its place in `text`: it is not
/// there, or it is nothing that a view or a pipeline, whatever `reader` is, can follow.
pub async fn inputs(session: &Session, query: &Query, reader: ObjectKind, text: &str) -> Result<Vec<Input>> {
    let catalog = session.services.flow.catalog.snapshot();
    let mut inputs: Vec<Input> = vec![];
    for relation in sql::identifiers::relations(query)? {
        let object = resolve(&relation, reader, &catalog).map_err(|error| error.at(relation.position(text)))?;
        if !inputs.iter().any(|input| input.object.id == object.id) {
            let schema = schema_of(session, &object).await?;
            inputs.push(Input { called: object.name.clone(), object, schema });
        }
    }
    Ok(inputs)
}

/// What a view that was made before reads, with no more columns than it knew then. Of those relations that are `replaced`, what is to take their
/// place is read, with all columns.
pub async fn inputs_anew(session: &Session, view: &ViewDef, replaced: &BTreeMap<ObjectId, Arc<Object>>) -> Result<Vec<Input>> {
    let catalog = session.services.flow.catalog.snapshot();
    let mut inputs = vec![];
    for saved in &view.inputs {
        let former = catalog.get(saved.relation).ok_or_else(|| Error::undefined("a relation that it reads does not exist any more"))?;
        let called = saved.called.clone().unwrap_or_else(|| former.name.clone());
        let (object, schema) = match replaced.get(&saved.relation) {
            Some(object) => (object.clone(), schema_of(session, object).await?),
            None => (former.clone(), known_columns(former, &saved.columns, &*schema_of(session, former).await?)?),
        };
        inputs.push(Input { object, called, schema });
    }
    Ok(inputs)
}

fn known_columns(object: &Object, known: &[String], schema: &Schema) -> Result<SchemaRef> {
    let gone = |column: &String| Error::undefined(format!("column \"{column}\" of {object} does not exist any more"));
    let place = |column: &String| schema.index_of(column).map_err(|_| gone(column).with_state(SqlState::UNDEFINED_COLUMN));
    Ok(Arc::new(schema.project(&known.iter().map(place).collect::<Result<Vec<_>>>()?)?))
}

/// Plans the query over nothing but these columns. The result's columns have PostgreSQL's names, each once. What has no lasting result is
/// refused. `text` is what the query was parsed from.
pub async fn plan(query: &Query, inputs: &[Input], emit: Emit, delivery: Delivery, text: &str) -> Result<Dataflow> {
    refuse_parameters(query)?;
    result_names::refuse_twins(query)?;
    let relations: Vec<_> = inputs.iter().map(Input::relation).collect();
    let planned = Dataflow::plan_to_give(query, &relations, emit, delivery).await;
    let dataflow = planned.map_err(|error| sql::locate(explain(error, inputs), text))?;
    refuse_twins(dataflow.schema())?;
    Ok(dataflow)
}

/// The columns of a view with such a result.
pub fn columns(schema: &Schema) -> Result<Vec<ViewColumn>> {
    let fields = schema.fields();
    if fields.is_empty() {
        return Err(
            Error::invalid(format!("{} must have at least one column", ObjectKind::View)).with_state(SqlState::INVALID_TABLE_DEFINITION)
        );
    }
    Ok(fields.iter().map(|field| ViewColumn { name: field.name().clone(), data_type: column_type(field) }).collect())
}

/// row_number() and its like count in bigint, as in PostgreSQL.
fn column_type(field: &Field) -> SqlType {
    match field.data_type() {
        DataType::UInt64 => SqlType::BigInt,
        _ => SqlType::from_field(field),
    }
}

impl Input {
    /// What is remembered of it.
    pub fn to_saved(&self) -> ViewInput {
        let columns = self.schema.fields().iter().map(|field| field.name().clone()).collect();
        ViewInput { relation: self.object.id, columns, called: Some(self.called.clone()) }
    }

    fn relation(&self) -> Relation {
        let name = self.called.clone();
        let source = match &self.object.definition {
            Definition::Source(source) => source,
            Definition::View(view) => return Relation::table(name, self.schema.clone()).with_unique(view.unique.clone()),
            _ => return Relation::table(name, self.schema.clone()),
        };
        let relation = Relation::source(name, &self.schema);
        let mark = source.watermark.as_ref().and_then(|mark| {
            let column = self.schema.index_of(&mark.column).ok()?;
            Some(Watermark { column, lateness_micros: mark.lateness_micros })
        });
        match mark {
            Some(mark) => relation.with_watermark(mark),
            None => relation,
        }
    }
}

fn resolve(relation: &sql::identifiers::Relation, reader: ObjectKind, catalog: &Snapshot) -> Result<Arc<Object>> {
    match relation.schema.as_deref() {
        None | Some(sql::PUBLIC_SCHEMA) => {}
        Some(schema @ (sql::SYSTEM_SCHEMA | "pg_catalog" | "information_schema")) => {
            return Err(Error::unsupported(format!("a {reader} cannot read system table {schema}.{}", relation.name.quoted()))
                .with_hint("it may read sources, tables and materialized views"));
        }
        Some(other) => {
            return Err(Error::undefined(format!("schema \"{other}\" does not exist")).with_state(SqlState::INVALID_SCHEMA_NAME));
        }
    }
    if let Some(object) = catalog.relation(&relation.name) {
        return check_is_lasting(object).map(|()| object.clone());
    }
    match catalog.find(ObjectKind::Pipeline, &relation.name) {
        Some(pipeline) => Err(Error::unsupported(format!("a {reader} cannot read {}", pipeline.as_ref()))
            .with_hint("read the table that the pipeline writes")),
        None => Err(Error::undefined(format!("relation \"{}\" does not exist", relation.name)).with_state(SqlState::UNDEFINED_TABLE)),
    }
}

/// Nothing may depend on a view that is removed again if it cannot take another one's place.
pub fn check_is_lasting(object: &Object) -> Result<()> {
    match object.definition.replaces() {
        None => Ok(()),
        Some(_) => {
            Err(Error::state(format!("{object} is being built to replace another")).with_hint("wait until it has taken that one's place"))
        }
    }
}

/// The columns of a relation as of now.
pub async fn schema_of(session: &Session, object: &Object) -> Result<SchemaRef> {
    let flow = &session.services.flow;
    match &object.definition {
        Definition::Source(source) => Ok(match flow.feeds.columns(object.id) {
            Some(live) => column::to_arrow_schema(&live.current()),
            None => column::to_arrow_schema(&source.columns),
        }),
        Definition::Table(table) => Ok(flow.lake.table(&table.location)?.refresh_head().await?.schema().clone()),
        Definition::View(definition) => Ok(view::schema_of(definition)),
        Definition::Pipeline(_) | Definition::Secret(_) | Definition::Index(_) => Err(Error::internal(format!("{object} is no relation"))),
    }
}

fn refuse_parameters(query: &Query) -> Result<()> {
    let found = visit_expressions(query, |expression| match expression {
        Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    match found {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(Error::unsupported("a materialized view cannot be defined with parameters")),
    }
}

fn refuse_twins(schema: &Schema) -> Result<()> {
    let mut seen = HashSet::new();
    match schema.fields().iter().find(|field| !seen.insert(field.name())) {
        None => Ok(()),
        Some(twin) => Err(result_names::named_twice(twin.name())),
    }
}

fn explain(error: Error, inputs: &[Input]) -> Error {
    let unknown = error.sqlstate() == SqlState::UNDEFINED_COLUMN && error.hint().is_none();
    match unknown && inputs.iter().any(|input| input.schema.fields().is_empty()) {
        true => error.with_hint("no data was found yet; declare the columns in CREATE SOURCE or CREATE TABLE"),
        false => error,
    }
}

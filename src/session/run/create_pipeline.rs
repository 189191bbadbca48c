//! `CREATE [OR REPLACE] PIPELINE [IF NOT EXISTS] name [WITH (…)] [CONSTRAINT …] AS INSERT INTO t [(…)] SELECT …`

use std::sync::Arc;

use arrow::datatypes::SchemaRef;

use super::super::job_settings::{COMMIT_INTERVAL_DEFAULT, take_commit_interval};
use super::super::{Notice, Outcome, Services, Session, view_query};
use super::to_the_end;
use crate::catalog::{Change, Definition, DesiredState, Emit, Expectation, Object, ObjectKind, OnViolation, PipelineDef, Snapshot};
use crate::error::{Error, Result, SqlState};
use crate::flow::compile::{Compiled, Input};
use crate::flow::engine::{Arrival, Dataflow, Delivery};
use crate::flow::job::target_of;
use crate::model::options::Start;
use crate::model::{JobId, ObjectId};
use crate::sql::{self, CreatePipeline};

pub async fn run(session: &Session, create: &CreatePipeline, text: &str) -> Result<Outcome> {
    let flow = &session.services.flow;
    let catalog = flow.catalog.snapshot();
    let existing = catalog.find(ObjectKind::Pipeline, &create.name).cloned();
    if existing.is_some() && create.if_not_exists {
        session.notice(Notice::note(format!("pipeline \"{}\" already exists, skipping", create.name)));
        return Ok(Outcome::done("CREATE PIPELINE"));
    }
    if existing.is_some() && !create.or_replace {
        return Err(ObjectKind::Pipeline.namespace().duplicate(&create.name).at(create.name_position));
    }
    let (definition, _) = define(session, create, text, &catalog).await?;
    let object = match &existing {
        Some(existing) => replacement(existing, definition, text)?,
        None => Object {
            id: ObjectId::new(),
            name: create.name.clone(),
            sql: text.to_string(),
            created_at: flow.clock.now(),
            definition: Definition::Pipeline(definition),
        },
    };
    let services = session.services.clone();
    match existing {
        Some(existing) => to_the_end(async move { replace(&services, &existing, object).await }).await?,
        None => to_the_end(async move { start_new(&services, object).await }).await?,
    }
    Ok(Outcome::done("CREATE PIPELINE"))
}

async fn start_new(services: &Services, pipeline: Object) -> Result<()> {
    services.flow.catalog.commit(vec![Change::Create(pipeline.clone())]).await?;
    services.supervisor.start(&pipeline)
}

/// The former query's last epoch is committed before the new one takes over at its positions. When that fails the former one goes on.
async fn replace(services: &Services, former: &Object, pipeline: Object) -> Result<()> {
    let _turn = services.supervisor.turn(pipeline.id).await;
    services.supervisor.stop(pipeline.id).await;
    let replaced = services.flow.catalog.update(pipeline.id, |object| replace_definition(object, &pipeline)).await;
    match &replaced {
        Ok(catalog) => catalog.get(pipeline.id).map(|pipeline| services.supervisor.start(pipeline)),
        Err(_) => Some(services.supervisor.start(former)),
    }
    .transpose()?;
    replaced.map(drop)
}

/// Whether it runs is not the statement's to say: a pause that came meanwhile stays.
fn replace_definition(object: &mut Object, new: &Object) -> Result<()> {
    if let (Definition::Pipeline(old), Definition::Pipeline(replacement)) = (&object.definition, &new.definition) {
        let definition = PipelineDef { state: old.state, ..replacement.clone() };
        *object = Object { sql: new.sql.clone(), definition: Definition::Pipeline(definition), ..object.clone() };
    }
    Ok(())
}

/// How a pipeline's query is run.
enum Plan {
    /// Row by row, with the columns that the sources have then.
    Stateless(Box<Compiled>),
    /// By the engine, with the columns that the inputs have now.
    Kept(Box<Dataflow>),
}

impl Plan {
    fn schema(&self) -> &SchemaRef {
        match self {
            Plan::Stateless(compiled) => compiled.schema(),
            Plan::Kept(dataflow) => dataflow.schema(),
        }
    }
}

/// Checks everything that can be checked before there is a job: also that the query plans, and that its result fits the table.
async fn define(session: &Session, create: &CreatePipeline, text: &str, catalog: &Snapshot) -> Result<(PipelineDef, Plan)> {
    let (commit_interval_ms, start) = options(create)?;
    let target = target(create, catalog)?;
    let inputs = view_query::inputs(session, &create.query, ObjectKind::Pipeline, text).await?;
    if inputs.is_empty() {
        return Err(Error::invalid("the query of a pipeline reads no source").at(create.query_offset + 1));
    }
    let expectations: Vec<Expectation> = create.expectations.iter().map(expectation).collect();
    let plan = plan(session, create, &inputs, &expectations, text).await?;
    let definition = PipelineDef {
        job: JobId::new(),
        query: create.query_text.clone(),
        sources: inputs.iter().map(|input| input.object.id).collect(),
        target: target.id,
        target_columns: create.target_columns.as_ref().map(|columns| columns.iter().map(ToString::to_string).collect()),
        expectations,
        commit_interval_ms,
        start,
        emit: create.emit,
        kept_inputs: match plan {
            Plan::Stateless(_) => vec![],
            Plan::Kept(_) => inputs.iter().map(view_query::Input::to_saved).collect(),
        },
        state: DesiredState::Running,
    };
    check_fits(session, &target, &definition, &inputs, plan.schema().clone()).await?;
    Ok((definition, plan))
}

fn target(create: &CreatePipeline, catalog: &Snapshot) -> Result<Arc<Object>> {
    let target = catalog.relation(&create.target).ok_or_else(|| {
        Error::undefined(format!("relation \"{}\" does not exist", create.target))
            .with_state(SqlState::UNDEFINED_TABLE)
            .with_hint(format!("CREATE TABLE {} () makes a table that takes its columns from the query", create.target.quoted()))
            .at(create.target_position)
    })?;
    match &target.definition {
        Definition::Table(_) => Ok(target.clone()),
        _ => Err(Error::invalid(format!("a pipeline cannot write into {}", target.as_ref()))
            .with_state(SqlState::WRONG_OBJECT_TYPE)
            .at(create.target_position)),
    }
}

async fn plan(
    session: &Session,
    create: &CreatePipeline,
    inputs: &[view_query::Input],
    expectations: &[Expectation],
    text: &str,
) -> Result<Plan> {
    let reads_sources = inputs.iter().all(|input| input.object.kind() == ObjectKind::Source);
    if reads_sources {
        let sources: Vec<Input> = inputs.iter().map(|read| input(session, &read.object)).collect::<Result<_>>()?;
        let at_query = |error: Error| sql::locate(error, &create.query_text).shifted(create.query_offset);
        let compiled = Compiled::if_stateless(&create.query_text, &sources, expectations).await.map_err(at_query)?;
        match (compiled, create.emit) {
            (Some(compiled), Emit::OnChange) => return Ok(Plan::Stateless(Box::new(compiled))),
            (Some(_), Emit::OnWindowClose) => {
                return Err(Error::unsupported(
                    "EMIT ON WINDOW CLOSE is for a query that groups by windows, and this one looks at one row at a time",
                )
                .with_hint("leave it out")
                .at(create.query_offset + 1));
            }
            (None, _) => {}
        }
    }
    let dataflow = view_query::plan(&create.query, inputs, create.emit, Delivery::Written, text).await?;
    match dataflow.takes_rows_back().filter(|_| dataflow.arrival() == Arrival::Changing) {
        None => Ok(Plan::Kept(Box::new(dataflow))),
        Some(part) => Err(Error::unsupported("a pipeline cannot take back rows that it has written")
            .with_detail(format!("rows come and go in this part of the query: {part}"))
            .with_hint(
                "group by windows and add EMIT ON WINDOW CLOSE, so that rows are final when they are written; \
                 or use CREATE MATERIALIZED VIEW, whose rows may change",
            )
            .at(create.query_offset + 1)),
    }
}

/// What of the result does not fit the table is found now, where the columns are known.
async fn check_fits(
    session: &Session,
    target: &Object,
    pipeline: &PipelineDef,
    inputs: &[view_query::Input],
    result: SchemaRef,
) -> Result<()> {
    if inputs.iter().any(|input| input.schema.fields().is_empty()) {
        return Ok(());
    }
    let flow = &session.services.flow;
    let spec = target_of(pipeline, target, &flow.lake)?;
    let head = spec.table.refresh_head().await?;
    spec.assign(&result, head.schema())?;
    Ok(())
}

fn options(create: &CreatePipeline) -> Result<(u64, Option<Start>)> {
    let mut options = create.options.clone();
    let commit_interval = take_commit_interval(&mut options)?.unwrap_or(COMMIT_INTERVAL_DEFAULT);
    let start = options.take_start("start")?;
    options.finish("a pipeline")?;
    Ok((commit_interval.as_millis() as u64, start))
}

fn expectation(written: &sql::Expectation) -> Expectation {
    let on_violation = match written.on_violation {
        sql::OnViolation::DropRow => OnViolation::DropRow,
        sql::OnViolation::Fail => OnViolation::Fail,
        sql::OnViolation::Warn => OnViolation::Warn,
    };
    Expectation { name: written.name.to_string(), condition: written.condition_text.clone(), on_violation }
}

/// The same job with another query: it goes on from its positions, so it must read and write the same things.
fn replacement(existing: &Object, new: PipelineDef, text: &str) -> Result<Object> {
    let Definition::Pipeline(old) = &existing.definition else {
        return Err(Error::internal(format!("{existing} is not a pipeline")));
    };
    let has_state = !old.kept_inputs.is_empty() || !new.kept_inputs.is_empty();
    let reads_alike =
        old.kept_inputs.len() == new.kept_inputs.len() && old.kept_inputs.iter().zip(&new.kept_inputs).all(|(old, new)| old.is_like(new));
    if has_state && (old.query != new.query || old.emit != new.emit || !reads_alike) {
        return Err(Error::unsupported(format!("pipeline \"{}\" cannot be replaced", existing.name))
            .with_detail("its query remembers something from row to row, and another query cannot go on from that")
            .with_hint("DROP PIPELINE, then CREATE PIPELINE"));
    }
    if old.target != new.target || old.sources != new.sources {
        return Err(Error::unsupported(format!(
            "pipeline \"{}\" cannot be replaced by one with other sources or another target",
            existing.name
        ))
        .with_detail("a replaced pipeline goes on from where the former one stood")
        .with_hint("DROP PIPELINE, then CREATE PIPELINE"));
    }
    let definition = Definition::Pipeline(PipelineDef { job: old.job, state: old.state, ..new });
    Ok(Object { sql: text.to_string(), definition, ..existing.clone() })
}

/// How the pipeline would run, as text. Nothing is created.
pub async fn explain(session: &Session, create: &CreatePipeline, text: &str, is_verbose: bool) -> Result<String> {
    let catalog = session.services.flow.catalog.snapshot();
    let (_, plan) = define(session, create, text, &catalog).await?;
    let mut lines = format!("Append to table {}, each record exactly once\n", create.target);
    for expectation in &create.expectations {
        lines.push_str(&format!("  Expect {}: {}\n", expectation.name, expectation.condition_text));
    }
    let (heading, operators) = match &plan {
        Plan::Stateless(compiled) => ("For each batch of records, without state", compiled.describe(is_verbose)),
        Plan::Kept(dataflow) => ("For each tick, with state", dataflow.explain().join("\n")),
    };
    lines.push_str(&format!("  {heading}:\n"));
    for line in operators.lines() {
        lines.push_str(&format!("    {line}\n"));
    }
    Ok(lines)
}

fn input(session: &Session, source: &Object) -> Result<Input> {
    let Definition::Source(definition) = &source.definition else {
        return Err(Error::internal(format!("{source} is not a source")));
    };
    let columns = match session.services.flow.feeds.columns(source.id) {
        Some(live) => live.current(),
        None => Arc::new(definition.columns.clone()),
    };
    Ok(Input { id: source.id, name: source.name.clone(), columns })
}

//! `CREATE [OR REPLACE] PIPELINE [IF NOT EXISTS] name [WITH (…)] [CONSTRAINT …] AS INSERT INTO t [(…)] SELECT …`

use std::sync::Arc;

use super::super::job_settings::{COMMIT_INTERVAL_DEFAULT, take_commit_interval};
use super::super::{Notice, Outcome, Services, Session};
use super::to_the_end;
use crate::catalog::{Change, Definition, DesiredState, Emit, Expectation, Object, ObjectKind, OnViolation, PipelineDef, Snapshot};
use crate::error::{Error, Result, SqlState};
use crate::flow::compile::{Compiled, Input};
use crate::flow::job::{JobSpec, Work};
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
    let definition = define(create, text, &catalog)?;
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
    check(session, create, &object, &catalog).await?;
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

fn define(create: &CreatePipeline, text: &str, catalog: &Snapshot) -> Result<PipelineDef> {
    let (commit_interval_ms, start) = options(create)?;
    let target = catalog.relation(&create.target).ok_or_else(|| {
        Error::undefined(format!("relation \"{}\" does not exist", create.target))
            .with_state(SqlState::UNDEFINED_TABLE)
            .with_hint(format!("CREATE TABLE {} () makes a table that takes its columns from the query", create.target.quoted()))
            .at(create.target_position)
    })?;
    if !matches!(target.definition, Definition::Table(_)) {
        return Err(Error::invalid(format!("a pipeline cannot write into {}", target.as_ref()))
            .with_state(SqlState::WRONG_OBJECT_TYPE)
            .at(create.target_position));
    }
    Ok(PipelineDef {
        job: JobId::new(),
        query: create.query_text.clone(),
        sources: sources(create, text, catalog)?,
        target: target.id,
        target_columns: create.target_columns.as_ref().map(|columns| columns.iter().map(ToString::to_string).collect()),
        expectations: create.expectations.iter().map(expectation).collect(),
        commit_interval_ms,
        start,
        emit: create.emit,
        state: DesiredState::Running,
    })
}

fn options(create: &CreatePipeline) -> Result<(u64, Option<Start>)> {
    let mut options = create.options.clone();
    let commit_interval = take_commit_interval(&mut options)?.unwrap_or(COMMIT_INTERVAL_DEFAULT);
    let start = options.take_start("start")?;
    options.finish("a pipeline")?;
    Ok((commit_interval.as_millis() as u64, start))
}

fn sources(create: &CreatePipeline, text: &str, catalog: &Snapshot) -> Result<Vec<ObjectId>> {
    let mut sources = vec![];
    for relation in sql::identifiers::relations(&create.query)? {
        let position = relation.position(text);
        let object = match relation.schema.as_deref() {
            None | Some(sql::PUBLIC_SCHEMA) => catalog.relation(&relation.name),
            Some(_) => None,
        };
        let object = object.ok_or_else(|| {
            Error::undefined(format!("relation \"{}\" does not exist", relation.name)).with_state(SqlState::UNDEFINED_TABLE).at(position)
        })?;
        if !matches!(object.definition, Definition::Source(_)) {
            return Err(Error::unsupported(format!("a pipeline cannot read {} yet", object.as_ref()))
                .with_hint("a pipeline reads sources")
                .at(position));
        }
        if !sources.contains(&object.id) {
            sources.push(object.id);
        }
    }
    match sources.is_empty() {
        true => Err(Error::invalid("the query of a pipeline reads no source").at(create.query_offset + 1)),
        false => Ok(sources),
    }
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
    let object = Object {
        id: ObjectId::new(),
        name: create.name.clone(),
        sql: String::new(),
        created_at: session.services.flow.clock.now(),
        definition: Definition::Pipeline(define(create, text, &catalog)?),
    };
    let compiled = check(session, create, &object, &catalog).await?;
    let mut lines = format!("Append to table {}, each record exactly once\n", create.target);
    for expectation in &create.expectations {
        lines.push_str(&format!("  Expect {}: {}\n", expectation.name, expectation.condition_text));
    }
    lines.push_str("  For each batch of records, without state:\n");
    for line in compiled.describe(is_verbose).lines() {
        lines.push_str(&format!("    {line}\n"));
    }
    Ok(lines)
}

/// Plans the query and fits it to the table, so that what can be known to fail fails now.
async fn check(session: &Session, create: &CreatePipeline, pipeline: &Object, catalog: &Snapshot) -> Result<Compiled> {
    let flow = &session.services.flow;
    let spec = JobSpec::of(pipeline, catalog, &flow.lake)?;
    let Work::Pipeline(work) = &spec.work else {
        return Err(Error::internal(format!("{pipeline} is not a pipeline")));
    };
    let inputs: Vec<Input> = spec.sources.iter().map(|(source, _)| input(session, source)).collect::<Result<_>>()?;
    let at_query = |error: Error| sql::locate(error, &create.query_text).shifted(create.query_offset);
    let compiled = Compiled::new(&work.query, &inputs, &work.expectations).await.map_err(at_query)?;
    if create.emit == Emit::OnWindowClose {
        return Err(Error::unsupported(
            "EMIT ON WINDOW CLOSE is for a query that groups by windows, and this one looks at one row at a time",
        )
        .with_hint("leave it out")
        .at(create.query_offset + 1));
    }
    let has_columns = inputs.iter().all(|input| !input.columns.is_empty());
    if has_columns {
        let table = work.target.table.refresh().await?;
        work.target.assign(compiled.schema(), table.schema())?;
    }
    Ok(compiled)
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

//! `CREATE [OR REPLACE] MATERIALIZED VIEW [IF NOT EXISTS] name [WITH (…)] AS SELECT … [EMIT ON WINDOW CLOSE]`

use super::super::job_settings::{COMMIT_INTERVAL_DEFAULT, take_commit_interval};
use super::super::view_query::{self, Input};
use super::super::{Notice, Outcome, Services, Session, replacing};
use super::to_the_end;
use crate::catalog::{Change, Definition, DesiredState, Emit, Namespace, Object, ObjectKind, ViewDef};
use crate::error::{Error, Result};
use crate::flow::engine::{Dataflow, Delivery};
use crate::model::options::Start;
use crate::model::{JobId, ObjectId};
use crate::sql::{CreateMaterializedView, metadata_columns};

pub async fn run(session: &Session, create: &CreateMaterializedView, text: &str) -> Result<Outcome> {
    let catalog = session.services.flow.catalog.snapshot();
    if create.or_replace && catalog.is_taken(ObjectKind::View, &create.name) {
        let former = catalog.expect_kind(ObjectKind::View, &create.name).map_err(|error| error.at(create.name_position))?;
        let view = object(session, create, text, define(session, create, text).await?.0);
        replacing::replace(session, former, view, &catalog).await?;
    } else if catalog.relation(&create.name).is_some() {
        if !create.if_not_exists {
            return Err(Namespace::Relation.duplicate(&create.name).at(create.name_position));
        }
        session.notice(Notice::note(format!("relation \"{}\" already exists, skipping", create.name)));
    } else {
        let view = object(session, create, text, define(session, create, text).await?.0);
        start_new(session, view).await?;
    }
    Ok(Outcome::done("CREATE MATERIALIZED VIEW"))
}

fn object(session: &Session, create: &CreateMaterializedView, text: &str, definition: ViewDef) -> Object {
    Object {
        id: ObjectId::new(),
        name: create.name.clone(),
        sql: text.to_string(),
        created_at: session.services.flow.clock.now(),
        definition: Definition::View(definition),
    }
}

async fn start_new(session: &Session, view: Object) -> Result<()> {
    let (services, id, name) = (session.services.clone(), view.id, view.name.clone());
    let waits = kept_inputs(&view, session);
    to_the_end(async move { start(&services, view).await }).await?;
    if waits && let Err(error) = session.services.supervisor.populated(id, &name).await {
        session.notice(Notice::warning(error.one_line()));
    }
    Ok(())
}

/// Whether it reads nothing but what is all there already: then it is answered when the view has it. A source may hold years.
fn kept_inputs(view: &Object, session: &Session) -> bool {
    let catalog = session.services.flow.catalog.snapshot();
    let Definition::View(definition) = &view.definition else { return false };
    definition.inputs.iter().all(|input| catalog.get(input.relation).is_some_and(|read| read.kind() != ObjectKind::Source))
}

/// How the view would be kept, as text. Nothing is created.
pub async fn explain(session: &Session, create: &CreateMaterializedView, text: &str) -> Result<String> {
    let (_, dataflow) = define(session, create, text).await?;
    Ok(dataflow.explain().join("\n"))
}

async fn start(services: &Services, view: Object) -> Result<()> {
    services.flow.catalog.commit(vec![Change::Create(view.clone())]).await?;
    services.supervisor.start(&view)
}

/// Checks everything that can be checked before there is a job.
async fn define(session: &Session, create: &CreateMaterializedView, text: &str) -> Result<(ViewDef, Dataflow)> {
    let (commit_interval_ms, start) = options(create)?;
    let inputs = view_query::inputs(session, &create.query, ObjectKind::View, text).await?;
    check_inputs(create, &inputs)?;
    let dataflow = view_query::plan(&create.query, &inputs, create.emit, Delivery::Kept, text).await?;
    let definition = ViewDef {
        job: JobId::new(),
        query: create.query_text.clone(),
        inputs: inputs.iter().map(Input::to_saved).collect(),
        columns: view_query::columns(dataflow.schema()).map_err(|error| error.at(create.query_offset + 1))?,
        unique: dataflow.unique().map(<[usize]>::to_vec),
        emit: create.emit,
        commit_interval_ms,
        start,
        state: DesiredState::Running,
        replaces: None,
    };
    Ok((definition, dataflow))
}

fn options(create: &CreateMaterializedView) -> Result<(u64, Option<Start>)> {
    let mut options = create.options.clone();
    if options.take_text("table_interval")?.is_some() {
        return Err(
            Error::unsupported("option \"table_interval\" is not supported yet").with_hint("leave it out: the view is read with SELECT")
        );
    }
    let commit_interval = take_commit_interval(&mut options)?.unwrap_or(COMMIT_INTERVAL_DEFAULT);
    let start = options.take_start("start")?;
    options.finish("a materialized view")?;
    Ok((commit_interval.as_millis() as u64, start))
}

fn check_inputs(create: &CreateMaterializedView, inputs: &[Input]) -> Result<()> {
    let at_query = create.query_offset + 1;
    if inputs.is_empty() {
        return Err(Error::unsupported("the query of a materialized view reads no source, table or view").at(at_query));
    }
    let blank = inputs.iter().find(|input| input.schema.fields().is_empty());
    if let (Some(blank), true) = (blank, metadata_columns::has_wildcard(&create.query)) {
        return Err(Error::state(format!("{} has no columns yet", blank.object.as_ref()))
            .with_detail("a * in a materialized view is what it was when the view was made")
            .with_hint("declare the columns, or make the view when there is data")
            .at(at_query));
    }
    match create.emit == Emit::OnWindowClose && !inputs.iter().any(may_have_watermark) {
        true => Err(Error::invalid("EMIT ON WINDOW CLOSE needs a watermark, and no input has one")
            .with_hint("declare it in CREATE SOURCE: WATERMARK FOR event_time AS event_time - INTERVAL '5 seconds'")
            .at(at_query)),
        false => Ok(()),
    }
}

/// A view can have one from what it reads.
fn may_have_watermark(input: &Input) -> bool {
    match &input.object.definition {
        Definition::Source(source) => source.watermark.is_some(),
        Definition::View(_) => true,
        Definition::Table(_) | Definition::Pipeline(_) | Definition::Secret(_) | Definition::Index(_) => false,
    }
}

//! Runs a case: keeps the view, and asks DataFusion for the same.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::datasource::MemTable;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::prelude::SessionContext;
use futures::FutureExt;

use super::super::kept::lines;
use super::case::{Case, Form, Restart};
use super::panics;
use super::tables::{TABLES, schema};
use crate::catalog::Emit;
use crate::flow::engine::{Arrival, Dataflow};
use crate::model::Changes;
use crate::sql;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Kept,
    /// DataFusion itself has no answer.
    NoAnswer(String),
    /// The engine refuses the query by name.
    Refused(String),
    /// DataFusion has two answers, and the view one of them.
    TwoAnswers(String),
    Wrong(String),
}

/// Its grouped FIRST_VALUE and LAST_VALUE count their orderings wrongly where one is a constant in the group.
const KNOWN_PANIC: &str = "datafusion-functions-aggregate-55.2.0/src/first_last.rs";

/// Contexts to ask in. They are expensive to make.
pub struct Asker {
    plain: SessionContext,
    /// With the settings the engine plans with.
    like_the_engine: SessionContext,
}

impl Asker {
    pub fn new() -> Asker {
        let context = || sql::planner::context(Arc::new(RuntimeEnv::default()), 1).unwrap();
        let like_the_engine = context();
        let state = like_the_engine.state_ref();
        state.write().config_mut().options_mut().optimizer.enable_physical_uncorrelated_scalar_subquery = false;
        Asker { plain: context(), like_the_engine }
    }
}

/// The answer, or why there is none.
async fn ask(context: &SessionContext, case: &Case, tick: usize) -> Result<RecordBatch, String> {
    for (table, rows) in TABLES.iter().zip(case.rows(tick)) {
        context.deregister_table(table.name).unwrap();
        let table_of_rows = MemTable::try_new(rows.schema(), vec![vec![rows.rows().clone()]]).unwrap();
        context.register_table(table.name, Arc::new(table_of_rows)).unwrap();
    }
    let asking = async {
        // Windows as functions are expanded where a query is parsed.
        let text = case.sql_at(tick);
        let text = if text.contains(", t, INTERVAL") { sql::parse_query(&text).unwrap().to_string() } else { text };
        let frame = context.sql(&text).await?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await?;
        Ok(arrow::compute::concat_batches(&batches.first().map_or(schema, RecordBatch::schema), &batches)?)
    };
    match AssertUnwindSafe(asking).catch_unwind().await {
        Ok(answer) => answer.map_err(|error: datafusion::error::DataFusionError| error.to_string()),
        Err(_) => Err(format!("DataFusion panics: {}", panics::last())),
    }
}

pub async fn run(case: &Case, asker: &Asker) -> Outcome {
    let mut asked = HashMap::new();
    for tick in case.checks.iter().copied().chain([case.ticks - 1]) {
        if let std::collections::hash_map::Entry::Vacant(place) = asked.entry(tick) {
            match ask(&asker.plain, case, tick).await {
                Ok(answer) => place.insert(answer),
                Err(reason) => return Outcome::NoAnswer(reason),
            };
        }
    }
    let running = AssertUnwindSafe(Running { case, asker, asked }.run()).catch_unwind().await;
    match running {
        Ok(Ok(())) => Outcome::Kept,
        Ok(Err(other)) => other,
        // Whether DataFusion panics depends on the rows that it is given together.
        Err(_) if panics::last().contains(KNOWN_PANIC) => Outcome::NoAnswer(panics::last()),
        Err(_) => wrong(format!("the engine panics: {}", panics::last())),
    }
}

struct Running<'a> {
    case: &'a Case,
    asker: &'a Asker,
    asked: HashMap<usize, RecordBatch>,
}

/// A view, and the sum of what came out of it.
struct View {
    dataflow: Dataflow,
    answer: Changes,
}

/// What was saved of a view.
struct Saved {
    states: Vec<(String, Vec<RecordBatch>)>,
    answer: Changes,
    tick: usize,
}

impl Running<'_> {
    async fn run(&self) -> Result<(), Outcome> {
        let mut view = self.plan().await?;
        let mut late: Option<View> = None;
        let mut saved: Option<Saved> = None;
        let mut made = vec![];
        for tick in 0..self.case.ticks {
            view.expect_none_before(self.case, Case::watermark_micros(tick));
            made.push(view.tick(&self.case.changes(tick), tick, &self.case.arrivals).await?);
            if let Some(late) = &mut late {
                late.expect_none_before(self.case, Case::watermark_micros(tick));
                late.tick(&self.case.changes(tick), tick, &self.case.arrivals).await?;
            }
            if self.case.late == Some(tick) {
                let mut new = self.plan().await?;
                new.expect_none_before(self.case, Case::watermark_micros(tick));
                new.tick(&self.case.rows(tick), tick, &self.case.arrivals).await?;
                late = Some(new);
            }
            if let Some(restart) = &self.case.restart {
                save(&mut view, restart, tick, &mut saved)?;
                if let Some(saved) = saved.take_if(|_| restart.after == tick) {
                    view = self.restored(saved, tick, &made).await?;
                }
            }
            if self.case.emit == Emit::OnWindowClose && tick + 1 == self.case.ticks {
                for view in [Some(&mut view), late.as_mut()].into_iter().flatten() {
                    view.close(self.case).await?;
                }
            }
            if let Some(answer) = self.asked.get(&tick) {
                self.compare(&view, answer, tick, "the view").await?;
                if let Some(late) = &late {
                    self.compare(late, answer, tick, "the view made late").await?;
                }
            }
        }
        Ok(())
    }

    async fn plan(&self) -> Result<View, Outcome> {
        let sql = self.case.sql();
        let parsed = sql::parse_query(&sql).map_err(|error| Outcome::NoAnswer(error.to_string()))?;
        match Dataflow::plan_to_emit(&parsed, &self.case.relations(), self.case.emit).await {
            Ok(dataflow) => Ok(View { answer: Changes::empty(dataflow.schema().clone()), dataflow }),
            // Conditions on the clock that nothing can follow, and what DataFusion has no plan for over rows it does not know yet.
            Err(error) if format!("{error:?}").starts_with("Unsupported ") => Err(Outcome::Refused(error.to_string())),
            Err(error) => Err(Outcome::Wrong(format!("it cannot be planned: {error:?}"))),
        }
    }

    /// A new view of what was saved, after the same ticks, which must give what they gave before.
    async fn restored(&self, saved: Saved, after: usize, made: &[Changes]) -> Result<View, Outcome> {
        let mut view = self.plan().await?;
        let mut states = view.dataflow.states();
        for (name, parts) in &saved.states {
            let state = states.iter_mut().find(|(own, _)| own == name);
            let Some((_, state)) = state else { return Err(wrong(format!("no state is called {name} after the restart"))) };
            for part in parts {
                let changes = Changes::from_batch(part).map_err(failed)?;
                state.restore(&changes).map_err(failed)?;
            }
        }
        view.dataflow.resume();
        view.answer = saved.answer;
        for (tick, before) in made.iter().enumerate().take(after + 1).skip(saved.tick + 1) {
            view.expect_none_before(self.case, Case::watermark_micros(tick));
            let again = view.tick(&self.case.changes(tick), tick, &self.case.arrivals).await?;
            let difference = Changes::concat(&again.schema(), &[again.negated(), before.clone()]).and_then(|both| both.consolidated());
            let (again, before) = (text(&again), text(before));
            if !difference.map_err(failed)?.is_empty() && again != before {
                return Err(wrong(format!(
                    "tick {tick} replayed after a restart gives\n{}\ninstead of\n{}",
                    again.join("\n"),
                    before.join("\n")
                )));
            }
        }
        Ok(view)
    }

    async fn compare(&self, view: &View, answer: &RecordBatch, tick: usize, which: &str) -> Result<(), Outcome> {
        if (0..view.answer.len()).any(|row| view.answer.weight(row) < 0) {
            return Err(wrong(format!("after tick {tick}, {which} has rows less than no times:\n{}", text(&view.answer).join("\n"))));
        }
        let (ours, theirs) = (lines(&view.answer.repeated().map_err(failed)?), lines(answer));
        if ours == theirs {
            return view.keeps_its_word();
        }
        let explain = view.dataflow.explain().join("\n");
        let difference = format!("after tick {tick}, {which}\n{explain}\nhas\n{}\ninstead of\n{}", ours.join("\n"), theirs.join("\n"));
        match ask(&self.asker.like_the_engine, self.case, tick).await {
            Ok(other) if lines(&other) == ours => Err(Outcome::TwoAnswers(difference)),
            _ => Err(wrong(difference)),
        }
    }
}

impl View {
    fn expect_none_before(&self, case: &Case, micros: i64) {
        if case.emit == Emit::OnWindowClose {
            (0..TABLES.len()).for_each(|table| _ = self.dataflow.advance_watermark(table, micros));
        }
    }

    /// All windows close.
    async fn close(&mut self, case: &Case) -> Result<(), Outcome> {
        self.expect_none_before(case, Case::watermark_micros(1_000));
        let nothing: Vec<_> = TABLES.iter().map(|table| Changes::empty(schema(table))).collect();
        self.tick(&nothing, case.ticks - 1, &case.arrivals).await?;
        match self.dataflow.late_rows() {
            0 => Ok(()),
            late => Err(wrong(format!("{late} rows are left out as late, and none is"))),
        }
    }

    async fn tick(&mut self, changes: &[Changes], tick: usize, arrivals: &[Arrival]) -> Result<Changes, Outcome> {
        let made = self.dataflow.tick(changes, Case::now_micros(tick)).await.map_err(failed)?;
        if made.schema() != *self.dataflow.schema() {
            return Err(wrong(format!("the answer has the columns {:?} instead of {:?}", made.schema(), self.dataflow.schema())));
        }
        let only_come = self.dataflow.arrival() == Arrival::AppendOnly && arrivals.contains(&Arrival::AppendOnly);
        if only_come && (0..made.len()).any(|row| made.weight(row) < 0) {
            return Err(wrong(format!("a row goes, though they only come:\n{}", text(&made).join("\n"))));
        }
        self.answer = Changes::concat(self.dataflow.schema(), &[self.answer.clone(), made.clone()])
            .and_then(|answer| answer.consolidated())
            .map_err(failed)?;
        Ok(made)
    }

    /// What the dataflow says of its answer is so.
    fn keeps_its_word(&self) -> Result<(), Outcome> {
        let Some(unique) = self.dataflow.unique() else { return Ok(()) };
        let rows = self.answer.repeated().map_err(failed)?;
        let mut keys = lines(&rows.project(unique).map_err(|error| wrong(error.to_string()))?);
        keys.dedup();
        match keys.len() == rows.num_rows() || unique.is_empty() && rows.num_rows() <= 1 {
            true => Ok(()),
            false => Err(wrong(format!("columns {unique:?} are not unique:\n{}", lines(&rows).join("\n")))),
        }
    }
}

fn save(view: &mut View, restart: &Restart, tick: usize, saved: &mut Option<Saved>) -> Result<(), Outcome> {
    let Some(save) = restart.saves.iter().find(|save| save.after == tick) else { return Ok(()) };
    let mut before: HashMap<_, _> = saved.take().map(|saved| saved.states).into_iter().flatten().collect();
    let mut states = vec![];
    for (name, state) in view.dataflow.states() {
        let mut parts: Vec<RecordBatch> = before.remove(&name).unwrap_or_default();
        let changes = state.take_changes().map_err(failed)?;
        match save.form {
            Form::Delta => parts.push(changes.to_batch().map_err(failed)?),
            Form::Base => parts = vec![state.everything().and_then(|all| all.to_batch()).map_err(failed)?],
        }
        if states.iter().any(|(other, _)| *other == name) {
            return Err(wrong(format!("two states are called {name}")));
        }
        states.push((name, parts));
    }
    *saved = Some(Saved { states, answer: view.answer.clone(), tick });
    Ok(())
}

fn failed(error: crate::error::Error) -> Outcome {
    wrong(format!("{error:?}"))
}

fn wrong(text: String) -> Outcome {
    Outcome::Wrong(text)
}

/// The changes as lines, each with its weight.
pub fn text(changes: &Changes) -> Vec<String> {
    changes.to_batch().map_or_else(|error| vec![error.to_string()], |batch| lines(&batch))
}

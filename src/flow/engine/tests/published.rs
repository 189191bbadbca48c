//! The published queries of Nexmark and TPC-H, kept over their changes, beside what they answer then.

use arrow::datatypes::SchemaRef;

use super::kept::Kept;
use crate::flow::engine::{Arrival, Relation};
use crate::flow::views::nexmark::EVENT_TABLES;
use crate::flow::views::returns::with_returns;
use crate::flow::views::tpch::Scale;
use crate::flow::views::{Query, State, Step, assert_same, nexmark, tpch};
use crate::model::{Changes, Name};

const SEED: u64 = 7;
const EVENTS: u64 = 2_000;

/// Each view equals its query's answer after every step.
async fn keep(queries: &[Query], mut state: State, relations: &[Relation], steps: impl Iterator<Item = Step>) {
    let mut views = Vec::new();
    for query in queries {
        views.push((query, Kept::new(&query.written_out(), relations).await));
    }
    for (number, step) in steps.enumerate() {
        state.apply(&step);
        let changes = in_order(relations, &step);
        for (query, view) in &mut views {
            view.tick(&changes, 0).await;
            assert_same(&view.answer, &state.answer(&query.written_out()).await, &format!("{} after step {number}", query.name));
        }
    }
}

/// Changes for each relation, none for those that the step does not have.
fn in_order(relations: &[Relation], step: &Step) -> Vec<Changes> {
    let of = |relation: &Relation| step.iter().find(|(name, _)| *name == relation.name.as_str()).map(|(_, changes)| changes.clone());
    relations.iter().map(|relation| of(relation).unwrap_or_else(|| Changes::empty(relation.schema.clone()))).collect()
}

fn nexmark_steps() -> impl Iterator<Item = Step> {
    std::iter::once(nexmark::initial(SEED, EVENTS)).chain(nexmark::refreshes(SEED, EVENTS).take(3))
}

fn relations(tables: Vec<(&'static str, SchemaRef)>) -> Vec<Relation> {
    tables.into_iter().map(|(name, schema)| Relation::table(Name::new(name).unwrap(), schema)).collect()
}

#[tokio::test]
async fn nexmark_of_streams() {
    let arrival = |relation: Relation| match EVENT_TABLES.contains(&relation.name.as_str()) {
        true => Relation { arrival: Arrival::AppendOnly, ..relation },
        false => relation,
    };
    let relations: Vec<_> = relations(nexmark::tables()).into_iter().map(arrival).collect();
    keep(nexmark::queries(), State::new(nexmark::tables()), &relations, nexmark_steps()).await;
}

#[tokio::test]
async fn nexmark_of_tables() {
    let steps = with_returns(SEED, EVENT_TABLES, nexmark_steps());
    keep(nexmark::queries(), State::new(nexmark::tables()), &relations(nexmark::tables()), steps).await;
}

#[tokio::test]
async fn tpch_of_tables() {
    let scale = Scale::thousandths(1);
    let steps = std::iter::once(tpch::initial(SEED, scale)).chain(tpch::refreshes(SEED, scale).take(4));
    keep(tpch::queries(), State::new(tpch::tables()), &relations(tpch::tables()), steps).await;
}

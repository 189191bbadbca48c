//! All queries as batch queries: they run, and they answer something, over tables that stay valid.

use std::collections::BTreeSet;

use arrow::array::Array;

use super::nexmark::EVENT_TABLES;
use super::returns::with_returns;
use super::state::difference;
use super::tpch::Scale;
use super::{Query, State, Step, assert_same, nexmark, tpch};
use lakewire::model::Changes;

const SEED: u64 = 7;
const EVENTS: u64 = 5_000;

/// That each answers something but nulls, the same in another order of the rows. Returns the answers.
async fn answers(state: &State, queries: &[Query]) -> Vec<Changes> {
    let mut answers = Vec::new();
    for query in queries {
        let answer = state.answer(&query.written_out()).await;
        let rows = answer.rows();
        let says_something = rows.columns().iter().all(|column| column.null_count() < column.len());
        assert!(rows.num_rows() > 0 && says_something, "{} finds nothing", query.name);
        assert_same(&state.reversed().answer(&query.written_out()).await, &answer, query.name);
        answers.push(answer);
    }
    answers
}

/// That all of them are other answers after these steps.
async fn assert_changes(state: &mut State, queries: &[Query], steps: impl Iterator<Item = Step>) {
    let before = answers(state, queries).await;
    for step in steps {
        let names: BTreeSet<_> = step.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.len(), step.len(), "a table stands twice in a step");
        state.apply(&step);
    }
    let after = answers(state, queries).await;
    let pairs = before.iter().zip(&after).zip(queries);
    let same = pairs.filter(|((before, after), _)| difference(before, after).is_empty()).map(|(_, query)| query.name);
    assert_eq!(same.collect::<Vec<_>>(), [""; 0], "the steps mean nothing to these queries");
}

/// What must not be in the tables of the shop.
const FLAWS: [&str; 9] = [
    "SELECT o_orderkey FROM orders GROUP BY 1 HAVING count(*) > 1",
    "SELECT l_orderkey, l_linenumber FROM lineitem GROUP BY 1, 2 HAVING count(*) > 1",
    "SELECT ps_partkey, ps_suppkey FROM partsupp GROUP BY 1, 2 HAVING count(*) > 1",
    "SELECT c_custkey FROM customer GROUP BY 1 HAVING count(*) > 1",
    "SELECT * FROM lineitem WHERE l_orderkey NOT IN (SELECT o_orderkey FROM orders)",
    "SELECT * FROM orders WHERE o_orderkey NOT IN (SELECT l_orderkey FROM lineitem)",
    "SELECT * FROM orders WHERE o_custkey NOT IN (SELECT c_custkey FROM customer)",
    "SELECT * FROM lineitem WHERE NOT EXISTS (SELECT * FROM partsupp WHERE ps_partkey = l_partkey AND ps_suppkey = l_suppkey)",
    "SELECT o_orderkey FROM orders JOIN lineitem ON o_orderkey = l_orderkey GROUP BY o_orderkey, o_totalprice
     HAVING abs(o_totalprice - sum(l_extendedprice * (1 - l_discount) * (1 + l_tax))) > 0.07",
];

#[tokio::test]
async fn nexmark_answers() {
    let mut state = State::new(nexmark::tables());
    let steps = std::iter::once(nexmark::initial(SEED, EVENTS)).chain(nexmark::refreshes(SEED, EVENTS).take(10));
    let mut steps = with_returns(SEED, EVENT_TABLES, steps);
    state.apply(&steps.next().unwrap());
    assert_changes(&mut state, nexmark::queries(), steps).await;
}

#[tokio::test]
async fn tpch_answers() {
    let mut state = State::new(tpch::tables());
    state.apply(&tpch::initial(SEED, Scale::SMALL));
    assert_changes(&mut state, tpch::queries(), tpch::refreshes(SEED, Scale::SMALL).take(100)).await;
    for flaw in FLAWS {
        assert_eq!(state.answer(flaw).await.len(), 0, "{flaw}");
    }
}

#[test]
fn a_seed_gives_its_own_changes_and_always_the_same() {
    let told = |seed| {
        let steps =
            std::iter::once(tpch::initial(seed, Scale::thousandths(1))).chain(tpch::refreshes(seed, Scale::thousandths(1)).take(30));
        let steps = steps.chain(std::iter::once(nexmark::initial(seed, 100))).chain(nexmark::refreshes(seed, 100).take(5));
        steps.flatten().map(|(name, changes)| (name, changes.to_batch().unwrap())).collect::<Vec<_>>()
    };
    assert!(told(7) == told(7));
    assert!(told(7) != told(8));
}

#[test]
fn refreshes_have_all_kinds_of_changes() {
    let steps: Vec<_> = tpch::refreshes(SEED, Scale::SMALL).take(100).collect();
    let changed: BTreeSet<_> = steps.iter().flatten().map(|(name, _)| *name).collect();
    assert_eq!(changed.into_iter().collect::<Vec<_>>(), ["customer", "lineitem", "orders", "part", "partsupp", "supplier"]);
    let weights = |step: &Step| step.iter().flat_map(|(_, changes)| changes.weights().values().to_vec()).collect::<BTreeSet<_>>();
    assert_eq!(steps.iter().flat_map(weights).collect::<BTreeSet<_>>(), BTreeSet::from([-1, 1]));
    let returned: Vec<_> = with_returns(SEED, EVENT_TABLES, nexmark::refreshes(SEED, 0).take(20)).collect();
    assert!(returned.iter().flat_map(weights).any(|weight| weight == -1));
}

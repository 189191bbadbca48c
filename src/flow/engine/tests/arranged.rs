//! An arrangement against a map from rows to weights, through random changes, saves and restores.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use proptest::prelude::*;

use crate::flow::engine::arrangement::{Arrangement, Became, RowNumber};
use crate::flow::engine::relation::Arrival;
use crate::flow::engine::state::State;
use crate::model::Changes;

/// A row: a number and a word, either of which may be null.
type Row = (Option<i64>, Option<String>);
type Model = BTreeMap<Row, i64>;

#[derive(Debug, Clone)]
enum Step {
    Change(Vec<(Row, i64)>),
    /// Saves what changed, or everything.
    SaveDelta,
    SaveBase,
    /// Drops all and goes on from what was saved.
    Restore,
}

fn row() -> impl Strategy<Value = Row> {
    let long = "x".repeat(5000);
    let word = prop_oneof![Just(None), Just(Some(String::new())), "[ab]{1,2}".prop_map(Some), Just(Some(long))];
    (prop_oneof![Just(None), (0..3_i64).prop_map(Some), Just(Some(i64::MIN))], word)
}

fn step() -> impl Strategy<Value = Step> {
    let weight = prop_oneof![4 => Just(1_i64), 3 => Just(-1), 1 => -3..4_i64].prop_filter("no change", |weight| *weight != 0);
    prop_oneof![
        6 => prop::collection::vec((row(), weight), 0..12).prop_map(Step::Change),
        1 => Just(Step::SaveDelta),
        1 => Just(Step::SaveBase),
        1 => Just(Step::Restore),
    ]
}

fn changes(rows: &[(Row, i64)]) -> Changes {
    let numbers = Arc::new(Int64Array::from_iter(rows.iter().map(|((number, _), _)| *number))) as ArrayRef;
    let words = Arc::new(StringArray::from_iter(rows.iter().map(|((_, word), _)| word.clone()))) as ArrayRef;
    let batch = RecordBatch::try_from_iter_with_nullable([("n", numbers, true), ("w", words, true)]).unwrap();
    Changes::new(batch, rows.iter().map(|(_, weight)| Some(*weight)).collect())
}

fn rows(batch: &RecordBatch) -> Vec<Row> {
    let (numbers, words) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(1).as_string::<i32>());
    numbers.iter().zip(words).map(|(number, word)| (number, word.map(str::to_string))).collect()
}

fn model(changes: &Changes) -> Model {
    let mut model = Model::new();
    for (place, row) in rows(changes.rows()).into_iter().enumerate() {
        *model.entry(row).or_default() += changes.weight(place);
    }
    model.retain(|_, weight| *weight != 0);
    model
}

fn add(model: &mut Model, row: &Row, weight: i64) {
    let sum = model.entry(row.clone()).or_default();
    *sum += weight;
    if *sum == 0 {
        model.remove(row);
    }
}

/// What is there under each key, for a key of these columns.
fn check(arrangement: &Arrangement, model: &Model, key: &[usize], arrival: Arrival) {
    // Where rows only come, equal ones are kept side by side.
    let stored = |model: &Model| match arrival {
        Arrival::Changing => model.len(),
        Arrival::AppendOnly => model.values().sum::<i64>() as usize,
    };
    assert_eq!(arrangement.rows(), stored(model));
    assert_eq!(self::model(&arrangement.all().unwrap()), *model);
    let all = changes(&model.iter().map(|(row, weight)| (row.clone(), *weight)).collect::<Vec<_>>());
    let keys = arrangement.encode_keys(all.rows()).unwrap();
    let same_key = |left: &Row, right: &Row| key.iter().all(|column| if *column == 0 { left.0 == right.0 } else { left.1 == right.1 });
    for (place, row) in rows(all.rows()).iter().enumerate() {
        let number = arrangement.find_key(keys.row(place)).expect("a row's key is there");
        let expected: Model = model.iter().filter(|(other, _)| same_key(row, other)).map(|(row, weight)| (row.clone(), *weight)).collect();
        assert_eq!(self::model(&arrangement.gather([number].into_iter()).unwrap()), expected);
        let numbers: Vec<RowNumber> = arrangement.rows_of(number).map(|(row, _)| row).collect();
        assert!(numbers.iter().all(|row| (row.0 as usize) < arrangement.row_numbers()));
        assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), stored(&expected));
    }
}

/// Takes in rows that came, each as often as its weight says, and checks what it tells of them.
fn append(arrangement: &mut Arrangement, model: &mut Model, rows: &[(Row, i64)]) {
    let mut told = vec![];
    let tell = |place: usize, number: RowNumber, became: Became| {
        assert!(matches!(became, Became::New));
        told.push((place, number));
    };
    arrangement.update(&changes(rows), tell).unwrap();
    let places: Vec<usize> =
        rows.iter().enumerate().flat_map(|(place, (_, weight))| std::iter::repeat_n(place, *weight as usize)).collect();
    assert_eq!(told.iter().map(|(place, _)| *place).collect::<Vec<_>>(), places);
    rows.iter().for_each(|(row, weight)| add(model, row, *weight));
    let numbers: Vec<RowNumber> = told.iter().rev().map(|(_, number)| *number).collect();
    let expected: Vec<Row> = places.iter().rev().map(|place| rows[*place].0.clone()).collect();
    assert_eq!(self::rows(&arrangement.decode(&numbers).unwrap()), expected);
}

/// Takes changes in and checks what it tells of them.
fn update(arrangement: &mut Arrangement, model: &mut Model, rows: &[(Row, i64)]) {
    let mut told = vec![];
    let tell = |place: usize, number: RowNumber, became: Became| told.push((place, number, became));
    arrangement.update(&changes(rows), tell).unwrap();
    assert_eq!(told.len(), rows.len());
    let mut numbers: BTreeMap<RowNumber, &Row> = BTreeMap::new();
    for ((at, (place, number, became)), (row, weight)) in told.iter().enumerate().zip(rows) {
        assert_eq!(at, *place);
        let was_there = model.contains_key(row);
        add(model, row, *weight);
        match (was_there, model.contains_key(row)) {
            (_, false) => assert!(matches!(became, Became::Gone)),
            (false, true) => assert!(matches!(became, Became::New)),
            (true, true) => assert!(matches!(became, Became::Kept)),
        }
        match became {
            Became::New => assert!(numbers.insert(*number, row).is_none_or(|other| other != row)),
            Became::Kept => assert!(numbers.get(number).is_none_or(|other| *other == row)),
            Became::Gone => _ = numbers.remove(number),
        }
    }
    for (number, row) in numbers {
        assert_eq!(arrangement.weight(number), model[row]);
        assert_eq!(self::rows(&arrangement.decode(&[number]).unwrap()), std::slice::from_ref(row));
    }
}

fn live(arrival: Arrival, key: &[usize], steps: &[Step]) {
    let new = || Arrangement::of(arrival, changes(&[]).schema(), key.to_vec()).unwrap();
    let (mut arrangement, mut model) = (new(), Model::new());
    let (mut saved, mut saved_model) = (vec![], Model::new());
    for step in steps {
        match step {
            Step::Change(rows) if arrival == Arrival::Changing => update(&mut arrangement, &mut model, rows),
            Step::Change(rows) => {
                let rows: Vec<(Row, i64)> = rows.iter().map(|(row, weight)| (row.clone(), weight.abs())).collect();
                append(&mut arrangement, &mut model, &rows);
            }
            Step::SaveDelta => {
                saved.push(arrangement.take_changes().unwrap());
                saved_model = model.clone();
            }
            Step::SaveBase => {
                arrangement.take_changes().unwrap();
                saved = vec![arrangement.everything().unwrap()];
                saved_model = model.clone();
            }
            Step::Restore => {
                arrangement = new();
                saved.iter().for_each(|changes| arrangement.restore(changes).unwrap());
                model = saved_model.clone();
                assert!(arrangement.take_changes().unwrap().is_empty(), "what was restored is no change");
            }
        }
        check(&arrangement, &model, key, arrival);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_arrangement_is_a_map(steps in prop::collection::vec(step(), 1..10)) {
        live(Arrival::Changing, &[0], &steps);
    }

    #[test]
    fn rows_that_only_come_are_all_there(steps in prop::collection::vec(step(), 1..10)) {
        for key in [&[][..], &[0], &[1, 0]] {
            live(Arrival::AppendOnly, key, &steps);
        }
    }

    #[test]
    fn whatever_its_key_is(steps in prop::collection::vec(step(), 1..6)) {
        for key in [&[][..], &[1], &[1, 0]] {
            live(Arrival::Changing, key, &steps);
        }
    }
}

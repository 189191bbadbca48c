//! A commit of a table that is larger than a tick: it is worked on in parts, and seen whole.

use super::super::super::JobSpec;
use super::super::super::spec::Work;
use super::super::course::{Course, Towards};
use super::super::inputs::ViewInputs;
use super::super::{TICK_ROWS_MAX, Taken};
use super::*;

const ROWS: i64 = 3 * TICK_ROWS_MAX as i64;
/// What one part of a table's changes may have.
const PART_ROWS_MAX: usize = 8192;

async fn fill(house: &House) {
    house.insert(&(0..ROWS).map(|row| (row, row % 10)).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tick_takes_a_part_of_it() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let house = House::open(&store, &folder).await;
    let table = house.table().await;
    fill(&house).await;
    let view = house.define("all", "SELECT k, v FROM t", &[(&table, &["k", "v"])], &["k", "v"]).await;
    let spec = JobSpec::of(&view, &house.services.catalog.snapshot(), &house.services.lake).unwrap();
    let Work::View(of_view) = &spec.work else { panic!("not a view") };
    let relations = ViewInputs::relations(&spec, of_view).await.unwrap();
    let mut inputs = ViewInputs::open(&spec, of_view, &relations, &house.services, BTreeMap::new()).await.unwrap();
    assert_eq!(inputs.set_out(Towards::Newest, &BTreeMap::new()), Course::Underway);
    let (mut rows, mut ticks) = (0, 0);
    while inputs.are_underway() {
        assert_eq!(inputs.seen().tables().count(), 0, "nothing is seen before all is");
        let mut taken: Taken = inputs.nothing();
        inputs.take(&mut taken).await.unwrap();
        let batch = inputs.batches(taken).unwrap();
        assert!(batch[0].len() < TICK_ROWS_MAX + PART_ROWS_MAX, "{} rows in a tick", batch[0].len());
        rows += batch[0].len() as i64;
        ticks += 1;
    }
    assert!(rows == ROWS && ticks >= 3, "{rows} rows in {ticks} ticks");
    assert_eq!(inputs.set_out(Towards::Newest, &BTreeMap::new()), Course::There);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_and_epochs_have_all_of_it_or_nothing() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let house = House::open(&store, &folder).await;
    let table = house.table().await;
    house.insert(&[(-1, 0)]).await;
    let counted = "SELECT v AS k, count(*) AS s FROM t GROUP BY v";
    let lower = house.view("by_v", counted, &table, [&["v"], &["k", "s"]]).await;
    let upper = house.view("all", "SELECT k, v FROM t", &table, [&["k", "v"], &["k", "v"]]).await;
    fill(&house).await;
    house.flush().await;
    for version in house.services.views.get(upper.id).versions() {
        assert!([1, ROWS as u64 + 1].contains(&version.rows), "{} rows are shown", version.rows);
    }
    let house = House::open(&store, &folder).await;
    for view in [&lower, &upper] {
        house.supervisor.populated(view.id, &view.name).await.unwrap();
    }
    assert_eq!(house.services.views.get(upper.id).newest().unwrap().rows, ROWS as u64 + 1);
    assert_eq!(house.read(&lower).into_values().sum::<i64>(), ROWS + 1);
}

//! Views over a lake in memory: what a server saved, the next goes on from, and nobody is told more than once to begin anew.

mod agreement;
mod anew;
mod large;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use object_store::memory::InMemory;
use url::Url;

use super::super::super::events::EventKind;
use super::super::super::saved::PartKind;
use super::super::tests::house::{DEADLINE, House, SUMS, make_table, rows, sums};
use crate::catalog::{Definition, DesiredState, Object};
use crate::clock::Clock;
use crate::lake::Lake;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_server_goes_on_from_the_bucket_alone() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let mut house = House::open(&store, &folder).await;
    let table = house.table().await;
    let view = house.view("sums", SUMS, &table, [&["k", "v"], &["k", "s"]]).await;
    let mut all = vec![];
    for round in 0..20i64 {
        let rows: Vec<_> = (0..50).map(|row| ((row * round) % 17, row)).collect();
        house.insert(&rows).await;
        all.extend(rows);
        house.flush().await;
        assert_eq!(house.read(&view), sums(&all), "round {round}");
        // What is not flushed is not lost either: the table has it.
        house.insert(&[(round, 1)]).await;
        all.push((round, 1));
        if round % 3 == 0 {
            house = House::open(&store, &folder).await;
            house.supervisor.populated(view.id, &view.name).await.unwrap();
        }
    }
    house.flush().await;
    assert_eq!(house.read(&view), sums(&all));
    assert_eq!(house.times(EventKind::ViewComputedAnew), 0);
    let state = house.manifests(&view).newest().await.unwrap().unwrap().state.unwrap();
    let parts: Vec<_> = state.objects.iter().flat_map(|object| &object.parts).collect();
    assert!(parts.iter().any(|part| part.kind == PartKind::Changes), "{parts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_happens_and_nothing_is_written() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let house = House::open(&store, &folder).await;
    let table = house.table().await;
    let view = house.view("sums", SUMS, &table, [&["k", "v"], &["k", "s"]]).await;
    let before = house.manifests(&view).newest().await.unwrap().unwrap().epoch;
    house.flush().await;
    house.flush().await;
    assert_eq!(house.manifests(&view).newest().await.unwrap().unwrap().epoch, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_plan_saved_is_of_no_use() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let house = House::open(&store, &folder).await;
    let table = house.table().await;
    let view = house.view("sums", SUMS, &table, [&["k", "v"], &["k", "s"]]).await;
    house.insert(&[(1, 1), (2, 2)]).await;
    house.flush().await;
    house.supervisor.stop(view.id).await;
    let other = "SELECT k, CAST(sum(v + 1) AS bigint) AS s FROM t GROUP BY k";
    house.plan_otherwise(&view, other).await;
    let house = House::open(&store, &folder).await;
    house.wait_for(&view, &sums(&[(1, 2), (2, 3)])).await;
    // Until it is committed readers of a next server would be shown what was before.
    house.flush().await;
    assert_eq!(house.times(EventKind::ViewComputedAnew), 1);
    let house = House::open(&store, &folder).await;
    house.insert(&[(1, 1)]).await;
    house.supervisor.populated(view.id, &view.name).await.unwrap();
    house.flush().await;
    assert_eq!(house.read(&view), sums(&[(1, 4), (2, 3)]));
    assert_eq!(house.times(EventKind::ViewComputedAnew), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_of_a_view_goes_on_from_the_epoch_that_it_had() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let house = House::open(&store, &folder).await;
    let table = house.table().await;
    let lower = house.view("sums", SUMS, &table, [&["k", "v"], &["k", "s"]]).await;
    let upper = house.view("twice", "SELECT k, s * 2 AS s FROM sums WHERE s > 0", &lower, [&["k", "s"], &["k", "s"]]).await;
    house.insert(&[(1, 1), (2, 2)]).await;
    house.flush().await;
    assert_eq!(house.read(&upper), sums(&[(1, 2), (2, 4)]));
    house.supervisor.stop(upper.id).await;
    for value in 0..5 {
        house.insert(&[(value, 10), (1, -1)]).await;
        let _ = house.supervisor.flush().await;
    }
    let expected = BTreeMap::from([(0, 20), (1, 12), (2, 24), (3, 20), (4, 20)]);
    let house = House::open(&store, &folder).await;
    house.supervisor.populated(upper.id, &upper.name).await.unwrap();
    house.flush().await;
    assert_eq!(house.read(&upper), expected);
    assert_eq!(house.times(EventKind::ViewComputedAnew), 0);
}

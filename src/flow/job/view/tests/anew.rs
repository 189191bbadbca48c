//! A view that is computed anew, and one whose inputs cannot be read: readers keep what was committed.

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

use super::*;

/// Takes the data files of the table away, so that it cannot be read.
async fn take_files(store: &Arc<InMemory>) -> Vec<(Path, PutPayload)> {
    let listed: Vec<_> = store.list(Some(&Path::from("lake/t"))).try_collect().await.unwrap();
    let mut taken = vec![];
    for object in listed.into_iter().filter(|object| object.location.as_ref().ends_with(".parquet")) {
        let body = store.get(&object.location).await.unwrap().bytes().await.unwrap();
        store.delete(&object.location).await.unwrap();
        taken.push((object.location, body.into()));
    }
    assert!(!taken.is_empty());
    taken
}

async fn give_back(store: &Arc<InMemory>, files: Vec<(Path, PutPayload)>) {
    for (path, body) in files {
        store.put(&path, body).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_keep_the_answer_until_the_new_one_is_whole() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let house = House::open(&store, &folder).await;
    let table = house.table().await;
    let view = house.view("sums", SUMS, &table, [&["k", "v"], &["k", "s"]]).await;
    let upper = house.view("twice", "SELECT k, s * 2 AS s FROM sums", &view, [&["k", "s"], &["k", "s"]]).await;
    house.insert(&[(1, 1), (2, 2)]).await;
    house.flush().await;
    let (before, twice) = (sums(&[(1, 1), (2, 2)]), sums(&[(1, 2), (2, 4)]));
    house.plan_otherwise(&view, "SELECT k, CAST(sum(v + 1) AS bigint) AS s FROM t GROUP BY k").await;
    house.supervisor.stop(view.id).await;
    house.supervisor.stop(upper.id).await;
    let files = take_files(&store).await;
    // Restarts in the middle of it make no difference.
    for _ in 0..3 {
        let house = House::open(&store, &folder).await;
        for (view, shown) in [(&view, &before), (&upper, &twice)] {
            house.supervisor.populated(view.id, &view.name).await.unwrap();
            assert_eq!(house.read(view), *shown);
        }
        for view in [&view, &upper] {
            house.supervisor.stop(view.id).await;
        }
    }
    let house = House::open(&store, &folder).await;
    house.supervisor.populated(view.id, &view.name).await.unwrap();
    assert_eq!(house.read(&view), before);
    give_back(&store, files).await;
    house.wait_for(&view, &sums(&[(1, 2), (2, 3)])).await;
    // Those who read it are told what is committed, though nothing new comes.
    house.wait_for(&upper, &sums(&[(1, 4), (2, 6)])).await;
    house.flush().await;
    let house = House::open(&store, &folder).await;
    house.supervisor.populated(upper.id, &upper.name).await.unwrap();
    assert_eq!(house.read(&upper), sums(&[(1, 4), (2, 6)]));
    assert_eq!(house.times(EventKind::ViewComputedAnew), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_whose_run_ends_falls_back_to_what_it_has_committed() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let house = House::open(&store, &folder).await;
    let [_, lower, upper] = house.stacked().await;
    house.insert(&[(1, 1)]).await;
    house.flush().await;
    house.insert(&[(2, 2)]).await;
    house.wait_for(&upper, &sums(&[(1, 1), (2, 2)])).await;
    // Nobody can read what comes now, nor begin anew.
    let adds = house.write(&[(3, 3)]).await;
    let files = take_files(&store).await;
    house.commit(adds).await;
    let failed = || house.times(EventKind::JobRetries) > 0;
    let waits = async {
        while !failed() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, waits).await.unwrap();
    // What was not committed is shown no more.
    house.wait_for(&upper, &sums(&[(1, 1)])).await;
    give_back(&store, files).await;
    let all = sums(&[(1, 1), (2, 2), (3, 3)]);
    house.wait_for(&lower, &all).await;
    house.wait_for(&upper, &all).await;
    house.flush().await;
    assert_eq!(house.read(&upper), all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_of_one_that_shows_nothing_says_so() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let house = House::open(&store, &folder).await;
    let table = house.table().await;
    let lower = house.define("sums", SUMS, &[(&table, &["k", "v"])], &["k", "s"]).await;
    let pause = |object: &mut Object| {
        let Definition::View(definition) = &mut object.definition else { panic!("not a view") };
        definition.state = DesiredState::Paused;
        Ok(())
    };
    house.services.catalog.update(lower.id, pause).await.unwrap();
    let paused = house.services.catalog.snapshot().get(lower.id).cloned().unwrap();
    house.supervisor.start(&paused).unwrap();
    let upper = house.define("upper", "SELECT k, s FROM sums", &[(&lower, &["k", "s"])], &["k", "s"]).await;
    house.supervisor.start(&upper).unwrap();
    let error = house.supervisor.populated(upper.id, &upper.name).await.unwrap_err();
    assert!(error.detail().unwrap().contains("materialized view \"sums\", which it reads, is paused"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_was_made_anew_is_read_from_its_beginning() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let house = House::open(&store, &folder).await;
    let table = house.table().await;
    let view = house.view("sums", SUMS, &table, [&["k", "v"], &["k", "s"]]).await;
    for round in 0..3 {
        house.insert(&[(round, 1)]).await;
    }
    house.flush().await;
    house.supervisor.stop(view.id).await;
    for commits in [0, 10] {
        let old: Vec<_> = store.list(Some(&Path::from("lake/t"))).try_collect().await.unwrap();
        for object in old {
            store.delete(&object.location).await.unwrap();
        }
        let lake = Lake::with_store(store.clone(), Url::parse("memory:///lake").unwrap(), Clock::wall());
        make_table(&lake).await;
        let house = House::open(&store, &folder).await;
        for _ in 0..commits {
            house.insert(&[(7, 1)]).await;
        }
        house.insert(&[(7, 1)]).await;
        house.wait_for(&view, &sums(&[(7, commits + 1)])).await;
        house.flush().await;
        assert_eq!(house.times(EventKind::ViewComputedAnew), 1);
        house.supervisor.stop(view.id).await;
    }
}

/// Commits of other writers may mark rows as deleted, and say nowhere which: what is there after them can be read all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_followed_is_read_as_it_is() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let house = House::open(&store, &folder).await;
    let table = house.table().await;
    let view = house.view("sums", SUMS, &table, [&["k", "v"], &["k", "s"]]).await;
    house.insert(&[(1, 1)]).await;
    house.flush().await;
    house.supervisor.stop(view.id).await;
    let log = |version: i64| Path::from(format!("lake/t/_delta_log/{version:020}.json"));
    let first = store.get(&log(1)).await.unwrap().bytes().await.unwrap();
    let added = std::str::from_utf8(&first).unwrap().lines().find(|line| line.contains("\"add\"")).unwrap();
    let mut marked: serde_json::Value = serde_json::from_str(added).unwrap();
    let vector = serde_json::json!({ "storageType": "i", "pathOrInlineDv": "x", "sizeInBytes": 1, "cardinality": 1 });
    let remove = |vector: Option<&serde_json::Value>| {
        let mut remove = serde_json::json!({ "path": marked["add"]["path"], "dataChange": true, "size": marked["add"]["size"] });
        if let Some(vector) = vector {
            remove["deletionVector"] = vector.clone();
        }
        serde_json::json!({ "remove": remove })
    };
    let (whole, rest) = (remove(None), remove(Some(&vector)));
    marked["add"]["deletionVector"] = vector;
    store.put(&log(2), format!("{whole}\n{marked}").into()).await.unwrap();
    store.put(&log(3), rest.to_string().into()).await.unwrap();
    let house = House::open(&store, &folder).await;
    house.insert(&[(2, 2)]).await;
    house.wait_for(&view, &sums(&[(2, 2)])).await;
    house.flush().await;
    assert_eq!(house.times(EventKind::ViewComputedAnew), 1);
}

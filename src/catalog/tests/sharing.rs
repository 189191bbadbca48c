//! Several nodes on one store.

use super::*;
use crate::catalog::store::Settled;

const WRITERS: usize = 4;
const WRITES_EACH: usize = 8;

on_both_engines!(
    two_nodes_lose_no_update,
    a_name_taken_on_another_node_is_taken_here,
    another_nodes_commit_is_taken_up,
    many_writers_lose_no_update,
    nothing_is_written_when_nothing_changes,
    a_caller_that_goes_away_leaves_no_half,
    a_commit_without_an_answer_is_found_again,
);

async fn two_nodes_lose_no_update(place: Place) {
    let (here, there) = (place.open().await, place.open().await);
    let [_, source, ..] = fill(&here).await;
    // Each writes on a snapshot that the other has made old.
    there.update(source.id, |object| add_column(object, "a")).await.unwrap();
    here.update(source.id, |object| add_column(object, "b")).await.unwrap();
    let last = there.update(source.id, |object| add_column(object, "c")).await.unwrap();
    assert_eq!(columns(&last, source.id)[2..], ["a", "b", "c"]);
    assert_eq!(columns(&here.refresh().await.unwrap(), source.id), columns(&last, source.id));
}

async fn a_name_taken_on_another_node_is_taken_here(place: Place) {
    let (here, there) = (place.open().await, place.open().await);
    let taken = table("t");
    here.commit(creates(&[&taken])).await.unwrap();
    let error = there.commit(creates(&[&table("t")])).await.unwrap_err();
    assert_eq!(error.message(), "relation \"t\" already exists");
    // The attempt has shown it what there is.
    assert_eq!(there.snapshot().relation(&name("t")).unwrap().id, taken.id);
    there.commit(creates(&[&table("u")])).await.unwrap();
    assert_eq!(here.refresh().await.unwrap().iter_kind(ObjectKind::Table).count(), 2);
}

async fn another_nodes_commit_is_taken_up(place: Place) {
    let (here, there) = (place.open().await, place.open().await);
    let before = there.snapshot();
    let same = there.refresh().await.unwrap();
    assert!(Arc::ptr_eq(&before, &same), "nothing changed, nothing is read");
    fill(&here).await;
    assert_eq!(all(&there.snapshot()), []);
    assert_eq!(all(&there.refresh().await.unwrap()), all(&here.snapshot()));
}

async fn many_writers_lose_no_update(place: Place) {
    let first = place.open().await;
    let source = source_with("s", Options::default());
    first.commit(creates(&[&source])).await.unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        // Half of them share a handle.
        let catalog = if writer % 2 == 0 { first.clone() } else { place.open().await };
        writers.spawn(async move {
            for write in 0..WRITES_EACH {
                catalog.update(source.id, |object| add_column(object, &format!("c{writer}_{write}"))).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let snapshot = first.refresh().await.unwrap();
    let columns: std::collections::BTreeSet<_> = columns(&snapshot, source.id).into_iter().collect();
    assert_eq!(columns.len(), 2 + WRITERS * WRITES_EACH);
    assert_eq!(snapshot.generation(), Generation(1 + (WRITERS * WRITES_EACH) as i64));
}

async fn nothing_is_written_when_nothing_changes(place: Place) {
    let catalog = place.open().await;
    let [_, source, ..] = fill(&catalog).await;
    let before = catalog.snapshot();
    let after = catalog.update(source.id, |_| Ok(())).await.unwrap();
    assert!(Arc::ptr_eq(&before, &after));
    catalog.commit(Vec::new()).await.unwrap();
    assert_eq!(place.open().await.snapshot().generation(), before.generation());
}

async fn a_caller_that_goes_away_leaves_no_half(place: Place) {
    let catalog = place.open().await;
    // Dropped after more and more polls, and so before, during and after its write, until one is not dropped any more.
    let (mut polls, mut finished) = (0, false);
    while !finished {
        let mut commit = Box::pin(catalog.commit(creates(&[&table(&format!("t{polls}")), &table(&format!("u{polls}"))])));
        for _ in 0..polls {
            finished = futures::poll!(&mut commit).is_ready();
            if finished {
                break;
            }
            tokio::task::yield_now().await;
        }
        polls += polls / 4 + 1;
    }
    // Takes the turn after all of them.
    let last = catalog.refresh().await.unwrap();
    let count = |letter: char| last.iter_kind(ObjectKind::Table).filter(|table| table.name.as_str().starts_with(letter)).count();
    assert!(count('t') >= 1);
    assert_eq!(count('t'), count('u'));
    assert_eq!(all(&place.open().await.snapshot()), all(&catalog.snapshot()));
}

async fn a_commit_without_an_answer_is_found_again(place: Place) {
    let store = Store::open(&place.address()).await.unwrap();
    let write = store.begin(0).await.unwrap();
    let stamp = write.stamp.clone();
    write.abandon().await.unwrap();
    assert_eq!(store.settle(&stamp).await.unwrap(), Settled::NotStored);

    let write = store.begin(0).await.unwrap();
    let stored = write.stamp.clone();
    assert_eq!(stored.generation, stamp.generation);
    store.commit(write).await.unwrap();
    assert_eq!(store.settle(&stored).await.unwrap(), Settled::Stored);
    assert_eq!(store.settle(&stamp).await.unwrap(), Settled::Unknown, "another has written this generation");
}

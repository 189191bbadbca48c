//! What is committed is there, whole, after everything was closed.

use std::os::unix::fs::PermissionsExt;

use super::*;

on_both_engines!(
    a_new_catalog_is_empty,
    what_was_committed_is_there_after_reopening,
    a_commit_is_made_whole_or_not_at_all,
    a_change_and_a_drop_are_kept,
    a_newer_definition_is_refused_clearly,
    a_newer_store_is_refused_clearly,
    a_snapshot_never_changes,
);

async fn a_new_catalog_is_empty(place: Place) {
    let catalog = place.open().await;
    assert_eq!(all(&catalog.snapshot()), []);
    assert_eq!(catalog.snapshot().generation(), Generation(0));
}

async fn what_was_committed_is_there_after_reopening(place: Place) {
    let catalog = place.open().await;
    fill(&catalog).await;
    let snapshot = catalog.snapshot();
    drop(catalog);
    let again = place.open().await.snapshot();
    assert_eq!(all(&again), all(&snapshot));
    assert_eq!(all(&again).len(), 4);
    assert_eq!(again.generation(), snapshot.generation());
}

async fn a_commit_is_made_whole_or_not_at_all(place: Place) {
    let catalog = place.open().await;
    fill(&catalog).await;
    let before = all(&catalog.snapshot());
    let error = catalog.commit(creates(&[&table("first"), &table("events")])).await.unwrap_err();
    assert_eq!(error.message(), "relation \"events\" already exists");
    assert_eq!(all(&catalog.snapshot()), before);
    assert_eq!(all(&place.open().await.snapshot()), before);
    // The failed write has given the lock back.
    catalog.commit(creates(&[&table("first")])).await.unwrap();
}

async fn a_change_and_a_drop_are_kept(place: Place) {
    let catalog = place.open().await;
    let [_, source, mut table, pipeline] = fill(&catalog).await;
    table.name = name("Events of \"today\"");
    catalog.commit(vec![Change::Replace(table.clone()), Change::Drop(pipeline.id)]).await.unwrap();
    catalog.update(source.id, |object| add_column(object, "new")).await.unwrap();
    for snapshot in [catalog.snapshot(), place.open().await.snapshot()] {
        assert_eq!(snapshot.relation(&table.name).unwrap().id, table.id);
        assert!(snapshot.relation(&name("events")).is_none());
        assert!(snapshot.get(pipeline.id).is_none());
        assert_eq!(columns(&snapshot, source.id), ["event_id", "bytes_in__text", "new"]);
    }
}

async fn a_newer_definition_is_refused_clearly(place: Place) {
    let catalog = place.open().await;
    fill(&catalog).await;
    place.tamper("UPDATE objects SET definition = replace(definition, '\"connector\"', '\"conductor\"')").await;
    let error = place.try_open("secret.key").await.err().unwrap();
    assert_eq!(error.message(), "the catalog was written by a newer version of lakewire");
    assert!(error.detail().unwrap().contains("source \"pop_events\""), "{error:?}");

    place.tamper("UPDATE objects SET kind = 'hologram', definition = '{}' WHERE kind = 'table'").await;
    place.tamper("DELETE FROM objects WHERE kind <> 'hologram'").await;
    let error = place.try_open("secret.key").await.err().unwrap();
    assert_eq!(error.detail(), Some("there is no kind of object \"hologram\" in this version"));
    assert_eq!(error.kind(), Kind::State);
}

async fn a_newer_store_is_refused_clearly(place: Place) {
    drop(place.open().await);
    place.tamper("UPDATE _sqlx_migrations SET version = 9999 WHERE version = (SELECT max(version) FROM _sqlx_migrations)").await;
    let error = place.try_open("secret.key").await.err().unwrap();
    assert_eq!(error.message(), "the catalog was written by a newer version of lakewire");
    assert_eq!(error.hint(), Some("start the newer version"));
}

async fn a_snapshot_never_changes(place: Place) {
    let catalog = place.open().await;
    let [_, source, ..] = fill(&catalog).await;
    let before = catalog.snapshot();
    let after = catalog.update(source.id, |object| add_column(object, "new")).await.unwrap();
    assert_eq!(columns(&before, source.id).len(), 2);
    assert_eq!(columns(&after, source.id).len(), 3);
    assert!(after.generation() > before.generation());
}

#[tokio::test]
async fn the_sqlite_file_is_for_its_owner_only() {
    let place = Place::sqlite();
    let catalog = place.open().await;
    fill(&catalog).await;
    for entry in std::fs::read_dir(place.sqlite_file().parent().unwrap()).unwrap().flatten() {
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn sqlite_syncs_every_commit() {
    let place = Place::sqlite();
    drop(place.open().await);
    let mut connection = place.address().connect().await.unwrap();
    let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut connection).await.unwrap();
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut connection).await.unwrap();
    assert_eq!((journal.as_str(), synchronous), ("wal", 2));
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_says_where() {
    let place = Place::sqlite();
    let nowhere = format!("postgres://u:hunter2@localhost/d?host={}", place.folder().display());
    let key = SecretKey::load_or_create(&place.folder().join("secret.key")).unwrap();
    let error = Catalog::open(&nowhere, key, Clock::wall()).await.err().unwrap();
    assert_eq!(error.message(), "cannot open the catalog at postgres://localhost/d");
    assert!(!format!("{error:?}").contains("hunter2"));
}

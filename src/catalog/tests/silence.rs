//! A store from which nothing comes back: whoever waits is told, the outcome of a commit is found out, and afterwards all goes on.

use std::time::Duration;

use super::wire::{Loss, Wire};
use super::*;

/// Of the lost answer. The answers that do come take much less.
const PATIENCE: Duration = Duration::from_secs(3);

struct Server {
    catalog: Catalog,
    wire: Wire,
    place: Place,
    source: ObjectId,
}

impl Server {
    async fn start() -> Option<Server> {
        let place = Place::postgres()?;
        let wire = place.wire().await;
        let catalog = place.open_through(&wire, PATIENCE).await;
        let [_, source, ..] = fill(&catalog).await;
        Some(Server { catalog, wire, place, source: source.id })
    }

    async fn add(&self, column: &str) -> Result<Arc<Snapshot>> {
        self.catalog.update(self.source, |object| add_column(object, column)).await
    }

    async fn stored(&self) -> Vec<String> {
        columns(&self.place.open().await.snapshot(), self.source)[2..].to_vec()
    }
}

#[tokio::test]
async fn whoever_waits_is_told() {
    let Some(server) = Server::start().await else { return };
    server.wire.lose(Loss::Everything);
    // There are two connections to lose, and new ones are lost too. A connection that is found dead before it is used is an error of the pool.
    for error in [server.add("a").await.unwrap_err(), server.catalog.refresh().await.unwrap_err(), server.add("a").await.unwrap_err()] {
        assert_eq!(error.kind(), Kind::Unavailable, "{error:?}");
        assert_eq!(error.message(), "the catalog store does not answer");
        assert!(error.hint().is_some());
    }
    server.wire.lose(Loss::None);
    server.add("b").await.unwrap();
    assert_eq!(server.stored().await, ["b"]);
    assert_eq!(all(&server.catalog.snapshot()), all(&server.place.open().await.snapshot()));
}

#[tokio::test]
async fn those_who_wait_are_told_together() {
    let Some(server) = Server::start().await else { return };
    server.wire.lose(Loss::Everything);
    let connections = server.catalog.0.store.connections.clone();
    let silences = connections.silences();
    for outcome in futures::future::join_all(["a", "b", "c", "d"].map(|column| server.add(column))).await {
        assert_eq!(outcome.unwrap_err().message(), "the catalog store does not answer");
    }
    assert_eq!(connections.silences(), silences + 1, "one has found out for all of them");
    server.wire.lose(Loss::None);
    server.add("e").await.unwrap();
    assert_eq!(server.stored().await, ["e"]);
}

#[tokio::test]
async fn a_commit_that_was_not_answered_is_found() {
    let Some(server) = Server::start().await else { return };
    server.wire.lose(Loss::CommitAnswer);
    let snapshot = server.add("a").await.unwrap();
    assert_eq!(columns(&snapshot, server.source)[2..], ["a"]);
    server.add("b").await.unwrap();
    assert_eq!(server.stored().await, ["a", "b"]);
}

#[tokio::test]
async fn a_commit_that_did_not_arrive_is_an_error() {
    let Some(server) = Server::start().await else { return };
    server.wire.lose(Loss::Commit);
    let error = server.add("a").await.unwrap_err();
    assert_eq!((error.kind(), error.message()), (Kind::Unavailable, "the catalog store does not answer"));
    assert_eq!(server.stored().await, Vec::<String>::new());
    server.add("b").await.unwrap();
    assert_eq!(server.stored().await, ["b"]);
}

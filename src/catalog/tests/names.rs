//! Names are taken once, references never dangle.

use super::*;

on_both_engines!(
    a_name_is_taken_once_in_its_namespace,
    a_freed_name_can_be_used_in_the_same_commit,
    what_others_depend_on_is_not_dropped,
    what_is_gone_cannot_be_changed,
    a_reference_must_lead_somewhere,
    a_view_is_a_relation_that_depends_on_others,
);

async fn a_name_is_taken_once_in_its_namespace(place: Place) {
    let catalog = place.open().await;
    let [secret, source, events, keep] = fill(&catalog).await;
    let taken = [
        (table("pop_events"), "relation \"pop_events\" already exists", SqlState::DUPLICATE_TABLE),
        (renewed(&keep), "pipeline \"keep\" already exists", SqlState::DUPLICATE_OBJECT),
        (renewed(&secret), "secret \"pass\" already exists", SqlState::DUPLICATE_OBJECT),
    ];
    for (object, message, state) in taken {
        let error = catalog.commit(creates(&[&object])).await.unwrap_err();
        assert_eq!((error.message(), error.sqlstate(), error.kind()), (message, state, Kind::Duplicate));
    }
    // Other namespaces, other cases: other names.
    let others = [table("keep"), table("Events"), pipeline("events", &source, &events)];
    catalog.commit(creates(&others.each_ref())).await.unwrap();
    let snapshot = catalog.snapshot();
    let tables: Vec<_> = snapshot.iter_kind(ObjectKind::Table).map(|table| table.name.as_str()).collect();
    assert_eq!(tables, ["Events", "events", "keep"]);
    assert!(snapshot.find(ObjectKind::Table, &name("pop_events")).is_none());
    assert_eq!(snapshot.find(ObjectKind::Source, &name("pop_events")).unwrap().id, source.id);
    let other_kind = snapshot.expect_kind(ObjectKind::Table, &name("pop_events")).unwrap_err();
    assert_eq!((other_kind.message(), other_kind.sqlstate()), ("\"pop_events\" is not a table", SqlState::WRONG_OBJECT_TYPE));
    assert_eq!(other_kind.hint(), Some("use DROP SOURCE to remove a source"));
    assert_eq!(snapshot.expect_kind(ObjectKind::Table, &name("nothing")).unwrap_err().kind(), Kind::Undefined);
}

async fn a_freed_name_can_be_used_in_the_same_commit(place: Place) {
    let catalog = place.open().await;
    let old = table("t");
    catalog.commit(creates(&[&old])).await.unwrap();
    let new = table("t");
    let snapshot = catalog.commit(vec![Change::Drop(old.id), Change::Create(new.clone())]).await.unwrap();
    assert_eq!(snapshot.relation(&name("t")).unwrap().id, new.id);
    assert_eq!(all(&place.open().await.snapshot()), all(&snapshot));
}

async fn what_others_depend_on_is_not_dropped(place: Place) {
    let catalog = place.open().await;
    let [secret, source, events, keep] = fill(&catalog).await;
    let error = catalog.commit(vec![Change::Drop(events.id)]).await.unwrap_err();
    assert_eq!(error.message(), "cannot drop table events because other objects depend on it");
    assert_eq!(error.detail(), Some("pipeline keep depends on it"));
    assert_eq!(error.hint(), Some("use DROP … CASCADE to drop them too"));
    assert_eq!(error.sqlstate(), SqlState::DEPENDENT_OBJECTS_STILL_EXIST);

    let error = catalog.commit(vec![Change::Drop(secret.id)]).await.unwrap_err();
    assert_eq!(error.message(), "cannot drop secret pass because other objects depend on it");
    assert_eq!(error.detail(), Some("source pop_events depends on it\npipeline keep depends on it"));

    let mut renamed = secret.clone();
    renamed.name = name("other");
    let error = catalog.commit(vec![Change::Replace(renamed)]).await.unwrap_err();
    assert_eq!(error.message(), "cannot rename secret pass because other objects depend on it");

    let snapshot = catalog.snapshot();
    let dependents: Vec<_> = snapshot.dependents_of(secret.id).iter().map(|object| object.id).collect();
    assert_eq!(dependents, [source.id, keep.id]);
    assert!(snapshot.dependents_of(keep.id).is_empty());
    catalog.commit([secret.id, source.id, keep.id].map(Change::Drop).to_vec()).await.unwrap();
    catalog.commit(vec![Change::Drop(events.id)]).await.unwrap();
    assert_eq!(all(&place.open().await.snapshot()), []);
}

async fn what_is_gone_cannot_be_changed(place: Place) {
    let catalog = place.open().await;
    let gone = table("t");
    let error = catalog.commit(vec![Change::Replace(gone.clone())]).await.unwrap_err();
    assert_eq!((error.message(), error.sqlstate()), ("table \"t\" does not exist", SqlState::UNDEFINED_TABLE));
    let error = catalog.commit(vec![Change::Drop(gone.id)]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Undefined);
    let error = catalog.update(gone.id, |_| panic!("there is nothing to change")).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Undefined);
}

async fn a_reference_must_lead_somewhere(place: Place) {
    let catalog = place.open().await;
    let error = catalog.commit(creates(&[&source("s")])).await.unwrap_err();
    assert_eq!(error.message(), "secret \"pass\" does not exist");
    let free = source_with("s", Options::default());
    let error = catalog.commit(creates(&[&free, &pipeline("p", &free, &table("t"))])).await.unwrap_err();
    assert_eq!(error.message(), "a relation that pipeline p uses does not exist any more");
    assert_eq!(all(&catalog.snapshot()), []);
}

async fn a_view_is_a_relation_that_depends_on_others(place: Place) {
    let catalog = place.open().await;
    let events = table("events");
    let totals = view("totals", &events);
    let of_totals = view("of_totals", &totals);
    catalog.commit(creates(&[&events, &totals, &of_totals])).await.unwrap();
    assert_eq!(all(&place.open().await.snapshot()).len(), 3);
    assert_eq!(place.open().await.snapshot().relation(&name("totals")).unwrap().definition, totals.definition);
    let error = catalog.commit(creates(&[&table("totals")])).await.unwrap_err();
    assert_eq!(error.message(), "relation \"totals\" already exists");
    let error = catalog.commit(vec![Change::Drop(events.id)]).await.unwrap_err();
    assert_eq!(error.detail(), Some("materialized view totals depends on it\nmaterialized view of_totals depends on it"));
    let snapshot = catalog.snapshot();
    let error = snapshot.expect_kind(ObjectKind::Table, &name("totals")).unwrap_err();
    assert_eq!(error.hint(), Some("use DROP MATERIALIZED VIEW to remove a materialized view"));
    let dependents: Vec<_> = snapshot.dependents_of(events.id).iter().map(|object| object.id).collect();
    assert_eq!(dependents, [totals.id, of_totals.id]);
}

fn renewed(object: &Object) -> Object {
    Object { id: ObjectId::new(), ..object.clone() }
}

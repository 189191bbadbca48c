//! A secret is read with its key only, and stands nowhere in clear.

use super::*;

on_both_engines!(a_secret_comes_back, another_key_is_told, a_secret_that_is_not_there_is_told, a_moved_ciphertext_does_not_open);

async fn a_secret_comes_back(place: Place) {
    let catalog = place.open().await;
    let [stored, ..] = fill(&catalog).await;
    assert_eq!(place.open().await.secret(&name("pass")).unwrap().reveal(), "hunter2");
    let written = serde_json::to_string(&stored.definition).unwrap();
    assert!(!written.contains("hunter2") && !written.contains(&hex::encode(b"hunter2")), "{written}");
    catalog
        .update(stored.id, |object| {
            object.definition = Definition::Secret(catalog.seal_secret(object.id, &SecretText::new("next"))?);
            Ok(())
        })
        .await
        .unwrap();
    assert_eq!(catalog.secret(&name("pass")).unwrap().reveal(), "next");
}

async fn another_key_is_told(place: Place) {
    fill(&place.open().await).await;
    let error = place.try_open("other.key").await.unwrap().secret(&name("pass")).unwrap_err();
    assert_eq!(error.message(), "secret \"pass\" was sealed with another key");
    assert!(error.hint().is_some());
}

async fn a_secret_that_is_not_there_is_told(place: Place) {
    let error = place.open().await.secret(&name("pass")).unwrap_err();
    assert_eq!((error.message(), error.sqlstate()), ("secret \"pass\" does not exist", SqlState::UNDEFINED_OBJECT));
}

async fn a_moved_ciphertext_does_not_open(place: Place) {
    let catalog = place.open().await;
    let [stored, ..] = fill(&catalog).await;
    let mut copy = secret(&catalog, "copy", "other");
    copy.definition = stored.definition;
    catalog.commit(creates(&[&copy])).await.unwrap();
    assert_eq!(catalog.secret(&name("copy")).unwrap_err().message(), "secret \"copy\" is damaged");
}

#[tokio::test]
async fn nothing_prints_a_secret_and_the_file_does_not_hold_it() {
    let place = Place::sqlite();
    let catalog = place.open().await;
    fill(&catalog).await;
    let revealed = source("s");
    let Definition::Source(definition) = &revealed.definition else { panic!("not a source") };
    let options = definition.options.reveal(|name| catalog.secret(name)).unwrap();
    assert!(!format!("{options:?} {:?}", catalog.snapshot()).contains("hunter2"));
    // Options with their secrets looked up live in memory only: storing them is refused.
    let error = catalog.commit(creates(&[&source_with("s", options)])).await.unwrap_err();
    assert_eq!(error.message(), "the definition of source s cannot be written");
    assert!(!format!("{error:?}").contains("hunter2"));
    assert!(catalog.snapshot().relation(&name("s")).is_none());
    for entry in std::fs::read_dir(place.sqlite_file().parent().unwrap()).unwrap().flatten() {
        let bytes = std::fs::read(entry.path()).unwrap();
        assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "{:?}", entry.path());
    }
}

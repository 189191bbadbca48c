//! Each fault by itself, over a store in memory.

use object_store::ObjectStoreExt;
use object_store::memory::InMemory;

use super::*;

fn store(rates: Rates) -> (Arc<InMemory>, FaultStore) {
    let below = Arc::new(InMemory::new());
    (below.clone(), FaultStore::with_plan(below, Plan { seed: 1, rates }))
}

const ALWAYS: u64 = 1000;

fn create() -> PutOptions {
    PutOptions { mode: PutMode::Create, ..PutOptions::default() }
}

async fn is_there(below: &InMemory, path: &Path) -> bool {
    below.head(path).await.is_ok()
}

#[tokio::test]
async fn a_put_is_done_or_not_whatever_is_said() {
    let path = Path::from("a");
    for (fault, is_made, is_conflict) in [
        (Fault::LostAnswer, true, false),
        (Fault::OwnConflict, true, true),
        (Fault::FalseConflict, false, true),
        (Fault::Refused, false, false),
    ] {
        let (below, store) = store(Rates::default());
        store.play(&[fault]);
        let error = store.put_opts(&path, "x".into(), create()).await.unwrap_err();
        assert_eq!(matches!(error, Error::AlreadyExists { .. }), is_conflict, "{fault:?}");
        assert_eq!(is_there(&below, &path).await, is_made, "{fault:?}");
        let again = store.put_opts(&path, "x".into(), create()).await;
        assert_eq!(again.is_ok(), !is_made, "{fault:?}");
    }
}

#[tokio::test]
async fn what_is_played_comes_in_order() {
    let (_, store) = store(Rates::default());
    store.play(&[Fault::Refused, Fault::FalseConflict]);
    store.play(&[Fault::LostAnswer]);
    let mut said = vec![];
    for name in ["a", "b", "c", "d"] {
        said.push(store.put_opts(&Path::from(name), "x".into(), create()).await.map(|_| ()).map_err(|error| error.to_string()));
    }
    assert!(said[0].as_ref().unwrap_err().contains("503"), "{said:?}");
    assert!(said[1].as_ref().unwrap_err().contains("already exists"), "{said:?}");
    assert!(said[2].as_ref().unwrap_err().contains("lost"), "{said:?}");
    assert_eq!(said[3], Ok(()));
    assert_eq!(store.operations(), 4);
}

#[tokio::test]
async fn a_torn_part_leaves_no_object() {
    let (below, store) = store(Rates { torn_part: ALWAYS, ..Rates::default() });
    let path = Path::from("parts");
    let mut upload = store.put_multipart(&path).await.unwrap();
    assert!(upload.put_part("one".into()).await.is_err());
    upload.abort().await.unwrap();
    assert!(!is_there(&below, &path).await);
}

#[tokio::test]
async fn deletes_and_reads_are_refused_too() {
    let (below, store) = store(Rates { refused: ALWAYS, ..Rates::default() });
    let path = Path::from("a");
    below.put(&path, "x".into()).await.unwrap();
    assert!(store.get(&path).await.is_err());
    assert!(store.delete(&path).await.is_err());
    assert!(store.list(None).try_collect::<Vec<_>>().await.is_err());
    assert!(is_there(&below, &path).await);
}

#[tokio::test]
async fn a_stale_list_lacks_what_was_made_last() {
    let (_, store) = store(Rates { stale_list: ALWAYS, ..Rates::default() });
    let names = async || store.list(None).map_ok(|object| object.location.to_string()).try_collect::<Vec<_>>().await.unwrap();
    for (made, listed) in [("a", vec![]), ("b", vec!["a"]), ("c", vec!["a", "b"])] {
        store.put(&Path::from(made), "x".into()).await.unwrap();
        assert_eq!(names().await, listed);
    }
}

#[tokio::test]
async fn from_the_halt_on_nothing_is_answered() {
    for halt in [Halt::Before, Halt::After] {
        let (below, store) = store(Rates::default());
        store.halt_from(2, halt);
        store.put(&Path::from("a"), "x".into()).await.unwrap();
        let second = tokio::spawn({
            let store = store.clone();
            async move { store.put(&Path::from("b"), "x".into()).await }
        });
        store.halted().await;
        let third = tokio::spawn({
            let store = store.clone();
            async move { store.get(&Path::from("a")).await.is_ok() }
        });
        tokio::task::yield_now().await;
        assert_eq!(is_there(&below, &Path::from("b")).await, halt == Halt::After, "{halt:?}");
        assert!(!second.is_finished() && !third.is_finished());
        store.resume();
        assert!(second.await.unwrap().is_ok() && third.await.unwrap());
    }
}

#[test]
fn a_plan_is_read_or_refused() {
    let plan: Plan = "seed=7, refused=20,latency_ms_max=5".parse().unwrap();
    assert_eq!(plan, Plan { seed: 7, rates: Rates { refused: 20, latency_ms_max: 5, ..Rates::default() } });
    for bad in ["refused", "refused=x", "refuse=1"] {
        assert!(bad.parse::<Plan>().is_err(), "{bad}");
    }
}

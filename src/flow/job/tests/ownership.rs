//! Two servers believe that they own a job: the loser stops at its next manifest, says so, and the data is exact. Also when the store's answers are
//! lost at that moment, and when the loser wakes after an hour.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use object_store::memory::InMemory;

use super::super::super::supervisor::NotFlushed;
use super::super::JobState;
use super::house::{House, SUMS, job_of, sums};
use super::shaky_store::{ShakyStore, Trouble};
use crate::catalog::Object;
use crate::clock::Clock;
use crate::model::PartitionState;

const HOUR: Duration = Duration::from_secs(3600);

/// A pipeline and a view, on a server whose store is shaky and on another that has taken both over.
struct Rivals {
    clock: Clock,
    store: Arc<ShakyStore>,
    loser: House,
    winner: House,
    jobs: [Object; 2],
    rows: Vec<(i64, i64)>,
    _folder: tempfile::TempDir,
}

impl Rivals {
    async fn meet() -> Rivals {
        let clock = Clock::mock(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let (below, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
        let store = ShakyStore::new(below.clone());
        let loser = House::open_at(&store, &folder, clock.clone()).await;
        let table = loser.table().await;
        let view = loser.view("sums", SUMS, &table, [&["k", "v"], &["k", "s"]]).await;
        let pipeline = loser.pipeline("keep", &loser.source().await).await;
        loser.flush().await;
        let winner = House::open_at(&below, &folder, clock.clone()).await;
        winner.flush().await;
        let mut rivals = Rivals { clock, store, loser, winner, jobs: [pipeline, view], rows: vec![], _folder: folder };
        rivals.go_on().await;
        rivals
    }

    /// Gives both jobs something to commit.
    async fn go_on(&mut self) {
        let row = (self.rows.len() as i64 % 3, 1);
        self.winner.insert(&[row]).await;
        self.rows.push(row);
        self.clock.advance(Duration::from_secs(1));
    }

    fn play(&self, troubles: &[Trouble]) {
        for job in &self.jobs {
            self.store.play(&format!("{}/manifest/", job_of(job)), troubles);
        }
    }

    fn assert_lost(&self, not_flushed: &[NotFlushed]) {
        assert!(self.store.is_through());
        assert_eq!(not_flushed.len(), 2, "{:?}", self.loser.services.events.list());
        for job in &self.jobs {
            let status = self.loser.status(job);
            assert_eq!(status.state, JobState::Failed);
            assert!(status.error.as_ref().unwrap().contains("another server has taken the job over"), "{status:?}");
        }
    }

    /// The winner still runs, and has everything once.
    async fn assert_exact(&self) {
        self.winner.flush().await;
        let [pipeline, view] = &self.jobs;
        assert_eq!(self.winner.read(view), sums(&self.rows));
        let manifest = self.winner.manifests(pipeline).newest().await.unwrap().unwrap();
        let Some(PartitionState::At(position)) = manifest.inputs.values().next().and_then(|positions| positions.values().next()) else {
            panic!("a generator does not end")
        };
        let read = position.as_str().parse::<u64>().unwrap();
        assert!(read > 1000);
        // Some of the generator's records are broken.
        assert_eq!((manifest.totals.records_in, manifest.totals.rows_out + manifest.totals.rejected), (read, read));
        assert_eq!(self.winner.rows("keep").await, manifest.totals.rows_out);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_loser_stops() {
    let rivals = Rivals::meet().await;
    let not_flushed = rivals.loser.supervisor.flush().await;
    rivals.assert_lost(&not_flushed);
    rivals.assert_exact().await;
}

/// Neither its PUT nor its look at what stands there is answered: all it knows is that something outside failed, and so it is tried again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loser_that_gets_no_answers_stops_too() {
    let rivals = Rivals::meet().await;
    rivals.play(&[Trouble::LoseAnswer, Trouble::LoseAnswer]);
    let not_flushed = rivals.loser.supervisor.flush().await;
    rivals.assert_lost(&not_flushed);
    rivals.assert_exact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loser_that_wakes_after_an_hour_stops_too() {
    let mut rivals = Rivals::meet().await;
    rivals.play(&[Trouble::Sleep, Trouble::LoseAnswer]);
    for _ in 0..3 {
        rivals.winner.flush().await;
        rivals.go_on().await;
    }
    let hour_passes = async {
        for _ in &rivals.jobs {
            rivals.store.falls_asleep().await;
            rivals.clock.advance(HOUR);
            rivals.winner.flush().await;
            rivals.store.wake();
        }
    };
    let (not_flushed, ()) = tokio::join!(rivals.loser.supervisor.flush(), hour_passes);
    rivals.assert_lost(&not_flushed);
    rivals.assert_exact().await;
}

/// Whoever was not overtaken goes on, whether its PUT was carried out or not: also where that was the PUT by which it takes the job over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_gets_no_answers_goes_on() {
    let troubles = [Trouble::LoseAnswer, Trouble::Refuse];
    for (first, second) in troubles.into_iter().flat_map(|first| troubles.map(|second| (first, second))) {
        let (below, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
        let store = ShakyStore::new(below.clone());
        // The PUT of the epoch and the look at it; then the hint and the list; then the PUT that takes over.
        let house = House::open(&store, &folder).await;
        let table = house.table().await;
        let view = house.view("sums", SUMS, &table, [&["k", "v"], &["k", "s"]]).await;
        let epoch = house.manifests(&view).newest().await.unwrap().unwrap().epoch;
        house.insert(&[(1, 1)]).await;
        for number in [epoch.next(), epoch.next().next()] {
            store.play(&format!("{}/manifest/{:020}.json", job_of(&view), number.0), &[first, second]);
        }
        house.flush().await;
        assert!(store.is_through(), "{first:?} {second:?}");
        assert_eq!(house.read(&view), sums(&[(1, 1)]));
        assert_eq!(house.status(&view).state, JobState::Running);
    }
}

/// Whoever resumes the job takes it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_started_anew_is_taken_back() {
    let rivals = Rivals::meet().await;
    rivals.loser.supervisor.flush().await;
    for job in &rivals.jobs {
        rivals.loser.supervisor.stop(job.id).await;
        rivals.loser.supervisor.start(job).unwrap();
    }
    rivals.loser.flush().await;
    rivals.clock.advance(Duration::from_secs(1));
    rivals.winner.insert(&[(5, 5)]).await;
    assert_eq!(rivals.winner.supervisor.flush().await.len(), 2);
}

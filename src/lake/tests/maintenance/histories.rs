//! Random histories of one table, by us and by the Delta library, with all maintenance at random moments.

use std::path::Path as FilePath;
use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use super::super::changes::{below, rewrite_some, theirs};
use super::*;

const STEPS: i64 = 40;
const DAY: Duration = Duration::from_secs(24 * 3600);
const APPLICATIONS: [&str; 3] = ["one", "two", "three"];

/// A copy of all commits, from which nothing is ever removed and which has no checkpoint.
struct LogAlone(TempDir);

impl LogAlone {
    fn follow(&self, table: &FilePath) {
        let folder = self.0.path().join("t/_delta_log");
        std::fs::create_dir_all(&folder).unwrap();
        for entry in std::fs::read_dir(table.join("_delta_log")).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name.len() == 25 && name.ends_with(".json") && !folder.join(&name).exists() {
                std::fs::copy(entry.path(), folder.join(&name)).unwrap();
            }
        }
    }
}

async fn step(folder: &TempDir, table: &Arc<Table>, random: &mut ChaCha8Rng, clock: &Clock, n: i64) {
    let first = below(random, 50) as i64;
    let rows = batch(first..first + 1 + below(random, 20) as i64, ["a", "b c", "d%20/ü"][below(random, 3)]);
    match below(random, 18) {
        0..=3 => {
            let application = APPLICATIONS[below(random, 3)];
            let version = table.refresh().await.unwrap().transaction(application).map_or(1, |version| version + 1);
            let adds = files(table, rows).await;
            table.commit(commit_of(adds, Some((application, version)))).await.unwrap();
        }
        4..=6 => rewrite_some(table, random).await,
        7 => drop(table.evolve(&[Field::new(format!("c{n}"), DataType::Float64, true)], &[]).await.unwrap()),
        // The library does not fill in columns that are new.
        8 if table.refresh().await.unwrap().schema().fields().len() == 2 => drop(theirs(folder).await.write([rows]).await.unwrap()),
        9 => drop(theirs(folder).await.delete().with_predicate(format!("id < {first}")).await.unwrap()),
        10 => drop(theirs(folder).await.optimize().await.unwrap()),
        11 | 12 => drop(table.checkpoint().await.unwrap()),
        13 => drop(deltalake::checkpoints::create_checkpoint(&theirs(folder).await, None).await),
        14 => drop(table.clean_log(None).await.unwrap()),
        15 => drop(table.vacuum(&Spared::default()).await.unwrap()),
        _ => clock.advance(DAY * below(random, 20) as u32),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_the_same_from_its_log_alone_and_from_checkpoints() {
    for seed in 1u64..=6 {
        eprintln!("seed {seed}");
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let folder = TempDir::new().unwrap();
        let alone = LogAlone(TempDir::new().unwrap());
        let clock = Clock::mock(Clock::wall().now());
        let table = open_at(folder.path(), &clock).await.table("t").unwrap();
        let partition_by = if seed % 2 == 0 { vec!["kind".to_string()] } else { vec![] };
        table.create(id_and_kind(), &partition_by, "t").await.unwrap();
        for n in 0..STEPS {
            step(&folder, &table, &mut random, &clock, n).await;
            alone.follow(&folder.path().join("t"));
            if below(&mut random, 4) == 0 {
                let reopened = open_at(folder.path(), &clock).await.table("t").unwrap().refresh().await.unwrap();
                let replayed = open_at(alone.0.path(), &clock).await.table("t").unwrap().refresh().await.unwrap();
                assert_eq!(describe(&reopened, &APPLICATIONS), describe(&replayed, &APPLICATIONS), "seed {seed}, step {n}");
                let followed = table.refresh().await.unwrap();
                assert_eq!(describe(&followed, &APPLICATIONS), describe(&replayed, &APPLICATIONS), "seed {seed}, step {n}");
            }
        }
        // Everything that can be removed is removed, and all rows are there, for the library too.
        let rows = count(&table).await;
        table.checkpoint().await.unwrap();
        clock.advance(DAY * 40);
        table.clean_log(None).await.unwrap();
        table.vacuum(&Spared::default()).await.unwrap();
        assert_eq!(table.vacuum(&Spared::default()).await.unwrap(), Vacuumed::default());
        let reopened = open_at(folder.path(), &clock).await.table("t").unwrap();
        assert_eq!(count(&reopened).await, rows, "seed {seed}");
        let their = theirs(&folder).await;
        assert_eq!(their.snapshot().unwrap().log_data().num_files() as u64, reopened.snapshot().unwrap().totals().files, "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_do_the_same_at_once_do_no_harm() {
    let folder = TempDir::new().unwrap();
    let clock = Clock::mock(Clock::wall().now());
    let tables = [open_at(folder.path(), &clock).await.table("t").unwrap(), open_at(folder.path(), &clock).await.table("t").unwrap()];
    tables[0].create(id_and_kind(), &[], "t").await.unwrap();
    for n in 0..6 {
        append(&tables[0], batch(n..n + 1, "a")).await;
    }
    files(&tables[0], batch(0..1, "orphan")).await;
    let both = |table: &Arc<Table>| {
        let table = table.clone();
        tokio::spawn(async move {
            table.checkpoint().await.unwrap();
            table.clean_log(None).await.unwrap();
            table.vacuum(&Spared::default()).await.unwrap();
        })
    };
    for _ in 0..2 {
        let working: Vec<_> = tables.iter().map(both).collect();
        futures::future::join_all(working).await.into_iter().for_each(|done| done.unwrap());
        clock.advance(DAY * 31);
    }
    let reopened = open_at(folder.path(), &clock).await.table("t").unwrap();
    assert_eq!(count(&reopened).await, 6);
    assert_eq!(std::fs::read_dir(folder.path().join("t")).unwrap().count(), 7, "six files and the log");
}

//! What a vacuum and a log cleanup remove, and what they spare.

use std::path::Path as FilePath;
use std::time::Duration;

use super::*;
use crate::error::Kind;

const DAY: Duration = Duration::from_secs(24 * 3600);

struct House {
    folder: TempDir,
    clock: Clock,
    lake: Lake,
    table: Arc<Table>,
}

async fn house(partition_by: &[&str]) -> House {
    let folder = TempDir::new().unwrap();
    let clock = Clock::mock(Clock::wall().now());
    let lake = open_at(folder.path(), &clock).await;
    let table = lake.table("t").unwrap();
    let partition_by: Vec<_> = partition_by.iter().map(|column| column.to_string()).collect();
    table.create(id_and_kind(), &partition_by, "t").await.unwrap();
    House { folder, clock, lake, table }
}

impl House {
    fn put(&self, path: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "something").unwrap();
    }

    fn has(&self, path: impl AsRef<FilePath>) -> bool {
        self.folder.path().join(path).exists()
    }

    async fn vacuum(&self) -> u64 {
        self.table.vacuum(&Spared::default()).await.unwrap().files
    }

    /// Takes away the oldest file.
    async fn remove_first(&self) {
        let base = self.table.refresh().await.unwrap();
        let removes = vec![base.data_files().next().unwrap().removed(&base).unwrap()];
        let rewrite = Rewrite { removes, adds: vec![], transaction: None, operation: Operation::Delete };
        assert!(matches!(self.table.rewriting_turn().await.commit(&base, rewrite).await.unwrap(), Rewritten::At(_)));
    }
}

#[tokio::test]
async fn only_old_data_files_that_nobody_needs_are_removed() {
    let house = house(&["kind"]).await;
    for kind in ["a", "ünï/ç d%20?", "_under", "x=y z"] {
        append(&house.table, batch(0..3, kind)).await;
        files(&house.table, batch(0..3, kind)).await;
    }
    let staged = ["t/kind=a/.part.parquet.00ff.tmp", "t/.part.parquet.00ff.tmp"];
    let theirs = ["t/notes.txt", "t/_change_data/a.parquet", "t/.hidden/a.parquet", "t/_staging.parquet", "t/deletion_vector_1.bin"];
    let within = ["t/other/_delta_log/00000000000000000000.json", "t/other/a.parquet", "t/other/day=1/a.parquet"];
    staged.iter().chain(&theirs).chain(&within).for_each(|path| house.put(path));

    assert_eq!(house.vacuum().await, 0);
    house.clock.advance(6 * DAY);
    assert_eq!(house.vacuum().await, 0);
    house.clock.advance(2 * DAY);
    assert_eq!(house.vacuum().await, 4 + staged.len() as u64);
    assert!(staged.iter().all(|path| !house.has(path)));
    theirs.iter().chain(&within).for_each(|path| assert!(house.has(path), "{path}"));
    assert_eq!(count(&house.table).await, 12);
    assert_eq!(count(&open_at(house.folder.path(), &house.clock).await.table("t").unwrap()).await, 12);
}

#[tokio::test]
async fn removed_files_stay_for_a_week_and_for_those_who_follow() {
    let house = house(&[]).await;
    append(&house.table, batch(0..3, "a")).await;
    append(&house.table, batch(3..6, "a")).await;
    house.remove_first().await;
    house.table.checkpoint().await.unwrap();
    house.clock.advance(6 * DAY);
    assert_eq!(house.vacuum().await, 0, "the checkpoint tells that it was removed lately");
    house.clock.advance(2 * DAY);
    let following = |version| Spared { followed_from: Some(version), ..Spared::default() };
    assert_eq!(house.table.vacuum(&following(2)).await.unwrap().files, 0, "its removal is yet to be read");
    assert_eq!(house.table.vacuum(&following(3)).await.unwrap().files, 1);
}

#[tokio::test]
async fn prepared_files_stay_however_old() {
    let house = house(&["kind"]).await;
    append(&house.table, batch(0..3, "a")).await;
    let prepared = files(&house.table, batch(3..6, "d%20/ü")).await;
    house.clock.advance(100 * DAY);
    let spared = Spared { prepared: prepared.iter().map(|file| file.path().to_string()).collect(), ..Spared::default() };
    assert_eq!(house.table.vacuum(&spared).await.unwrap().files, 0);
    // As the manifest that names them has it committed.
    house.table.commit(commit_of(prepared, Some(("job", 1)))).await.unwrap();
    assert_eq!(count(&house.table).await, 6);
}

#[tokio::test]
async fn what_is_younger_than_what_is_known_stays() {
    let house = house(&[]).await;
    append(&house.table, batch(0..3, "a")).await;
    files(&house.table, batch(0..3, "orphan")).await;
    let known_now = Spared { as_of: Some(house.lake.clock().now()), ..Spared::default() };
    house.clock.advance(100 * DAY);
    assert_eq!(house.table.vacuum(&known_now).await.unwrap().files, 0);
    assert_eq!(house.table.vacuum(&Spared::default()).await.unwrap().files, 1);
}

#[tokio::test]
async fn a_folder_that_does_not_show_what_the_table_has_is_left_alone() {
    let house = house(&[]).await;
    let adds = files(&house.table, batch(0..3, "a")).await;
    let lost = house.folder.path().join("t").join(adds[0].path());
    house.table.commit(commit_of(adds, None)).await.unwrap();
    files(&house.table, batch(0..3, "orphan")).await;
    std::fs::remove_file(lost).unwrap();
    house.clock.advance(100 * DAY);
    assert_eq!(house.table.vacuum(&Spared::default()).await.unwrap_err().kind(), Kind::Data);
    assert_eq!(std::fs::read_dir(house.folder.path().join("t")).unwrap().count(), 2, "the log and the orphan");
}

#[tokio::test]
async fn a_log_loses_only_what_a_checkpoint_stands_for() {
    let house = house(&[]).await;
    let log = |version: i64, ending: &str| format!("t/_delta_log/{version:020}.{ending}");
    for round in 0..3 {
        append(&house.table, batch(round..round + 1, "a")).await;
        append(&house.table, batch(round..round + 1, "a")).await;
        house.table.checkpoint().await.unwrap();
    }
    [log(1, "crc"), log(1, "checkpoint.0000-own.parquet"), "t/_delta_log/_sidecars/x.parquet".into(), "t/_delta_log/.x.tmp".into()]
        .iter()
        .for_each(|path| house.put(path));
    house.clock.advance(29 * DAY);
    assert_eq!(house.table.clean_log(None).await.unwrap(), 0);
    house.clock.advance(2 * DAY);
    assert_eq!(house.table.clean_log(Some(3)).await.unwrap(), 2 + 1 + 1, "versions 0 and 1, a checksum, a staged file");
    assert!(house.has(log(2, "json")) && house.has(log(2, "checkpoint.parquet")));
    assert_eq!(house.table.snapshot_at(3).await.unwrap().totals().files, 3);
    assert_eq!(house.table.clean_log(None).await.unwrap(), 4 + 2, "commits 2 to 5, two checkpoints");
    assert!(house.has(log(1, "checkpoint.0000-own.parquet")) && house.has("t/_delta_log/_sidecars/x.parquet"));
    assert!(house.table.snapshot_at(3).await.is_err());
    assert_eq!(open_at(house.folder.path(), &house.clock).await.table("t").unwrap().refresh().await.unwrap().totals().files, 6);
}

#[tokio::test]
async fn leftovers_of_the_lake_go_when_they_are_old() {
    let house = house(&[]).await;
    let doomed = ["_lakewire/probe/0a", "_lakewire/jobs/j/manifest/.1.json.00.tmp"];
    let kept = ["_lakewire/jobs/j/manifest/1.json", "_lakewire/jobs/j/latest"];
    doomed.iter().chain(&kept).for_each(|path| house.put(path));
    assert_eq!(house.lake.remove_leftovers().await.unwrap(), 0);
    house.clock.advance(8 * DAY);
    assert_eq!(house.lake.remove_leftovers().await.unwrap(), 2);
    assert!(doomed.iter().all(|path| !house.has(path)) && kept.iter().all(|path| house.has(path)));
}

//! The committer: one conditional PUT per commit, whatever the number of files in the table.
//!
//! # The life of a commit
//! 1. Plan: what to write after the newest version that we know, or that there is nothing to do (our transaction is in the log).
//! 2. `PUT _delta_log/<next version>.json If-None-Match: *`, with a token of our own in `commitInfo`.
//! 3. Written: done. Otherwise the answer is in doubt: the client repeats a PUT after a server error and may meet its own first try, S3 says
//!    409 while another PUT is still under way, a connection breaks after the object was made. So the version is read back:
//!    - it has our token: it was us, done;
//!    - it has another's: their actions are taken in, and we go back to 1 with the version after it;
//!    - it is not there: the same version is tried again.
//!
//! Appends never conflict with appends. They do with a commit that takes away or retypes a column or repartitions the table.

use std::sync::Arc;

use arrow::datatypes::Schema;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::conditional_put::{Outcome, put_for_sure};
use super::depth::Depth;
use super::head::Head;
use super::log::action::{Action, Add, CommitInfo, Txn};
use super::log::{CommitFile, to_lines};
use super::schema::same_type;
use super::table::Table;
use crate::error::{Error, Result, SqlState};
use crate::model::id::unique_token;

/// Versions lost to others before we give up. Each loss means that somebody else got on.
const COMMIT_TRIES_MAX: usize = 1000;

/// What is written is committed within this time, or not at all. A vacuum takes away files that nothing names when they are much older: its
/// retention must be longer by days, for a process may sleep between this look at the clock and its PUT.
const UNNAMED_HOURS_MAX: i64 = 24;

const ENGINE_INFO: &str = concat!("lakewire/", env!("CARGO_PKG_VERSION"));

/// Files to append, once.
#[derive(Debug, Clone)]
pub struct Commit {
    pub adds: Vec<AddedFile>,
    /// Makes the commit repeatable: of all commits of one application with the same or a lower version, one takes effect. Whoever gives one has
    /// named the files before, in a manifest; without one they are to be young.
    pub transaction: Option<AppTransaction>,
    pub operation: Operation,
}

/// A data file that exists in the table's folder and stands in no log yet. Can be kept as JSON and committed later, by anybody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AddedFile(pub(super) Add);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppTransaction {
    pub app_id: String,
    pub version: i64,
}

/// What the log's history says was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    CreateTable,
    AddColumns,
    Write,
    StreamingUpdate { epoch: u64 },
    Delete,
    Update,
    Merge,
    Truncate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// As this version.
    At(i64),
    /// It was in the log before: this application's transaction of this or a later version. Nothing was written.
    Already,
}

/// What to do after a version.
pub(super) enum Advance {
    Nothing,
    /// Somebody else's commit is in the way of what was prepared.
    GiveUp,
    Write(Vec<Action>),
}

/// What came of `Advance`.
pub(super) enum Advanced {
    To(i64),
    Nothing,
    GivenUp,
}

impl Operation {
    /// Whether what is added does not depend on the rows that are there.
    fn is_blind(&self) -> bool {
        match self {
            Operation::CreateTable | Operation::AddColumns | Operation::Write | Operation::StreamingUpdate { .. } => true,
            Operation::Delete | Operation::Update | Operation::Merge | Operation::Truncate => false,
        }
    }
}

impl AddedFile {
    /// Relative to the table's folder, percent-encoded as in the log.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    pub fn size_bytes(&self) -> u64 {
        self.0.size as u64
    }
}

/// To be asked before something names the files for the first time, be it a log or a manifest.
///
/// Errors: `Unavailable` if one of them was begun so long ago that a vacuum may take it, or has taken it.
pub fn check_young<'a>(files: impl IntoIterator<Item = &'a AddedFile>, now: DateTime<Utc>) -> Result<()> {
    let begun_millis = files.into_iter().map(|file| file.0.modification_time).min().unwrap_or(i64::MAX);
    match begun_millis < (now - TimeDelta::hours(UNNAMED_HOURS_MAX)).timestamp_millis() {
        false => Ok(()),
        true => Err(Error::unavailable("what was written is too old to be committed")
            .with_detail(format!("files that nothing names for {UNNAMED_HOURS_MAX} hours may be taken for orphans and removed"))
            .with_hint("nothing was changed: begin it anew")),
    }
}

impl Table {
    /// Appends the files, if this transaction has not been committed before. May be repeated after any failure.
    ///
    /// Errors: `State` if the table is gone or no longer has the columns it had, `Unsupported` if another engine's table forbids it,
    /// `Unavailable` if the files are too old (`check_young`), or if the store does not answer: then the commit may or may not have happened, and a repeat with the same transaction
    /// finds out.
    pub async fn commit(&self, commit: Commit) -> Result<Committed> {
        let _turn = self.writing_turn().await;
        if commit.transaction.is_none() {
            check_young(&commit.adds, self.place.clock().now())?;
        }
        let begun_at: Arc<Head> = self.end_to_write_after().await?;
        let operation = commit.operation.clone();
        let advanced = self
            .advance(operation, |head: &Arc<Head>| {
                if commit.transaction.as_ref().is_some_and(|wanted| head.transaction(&wanted.app_id) >= Some(wanted.version)) {
                    return Ok(Advance::Nothing);
                }
                check_fits(&commit, &begun_at, head)?;
                Ok(Advance::Write(self.append_actions(&commit)))
            })
            .await?;
        match advanced {
            Advanced::To(version) => Ok(Committed::At(version)),
            Advanced::Nothing | Advanced::GivenUp => Ok(Committed::Already),
        }
    }

    /// Plans and writes until it is written or there is nothing to do. The plan says how deep it has to look into the table. The caller has the
    /// turn.
    pub(super) async fn advance<D: Depth>(&self, operation: Operation, plan: impl Fn(&D) -> Result<Advance>) -> Result<Advanced> {
        let commit_id = unique_token();
        let mut end: D = self.end_to_write_after().await?;
        for _ in 0..COMMIT_TRIES_MAX {
            let mut actions = match plan(&end)? {
                Advance::Write(actions) => actions,
                Advance::Nothing => return Ok(Advanced::Nothing),
                Advance::GiveUp => return Ok(Advanced::GivenUp),
            };
            actions.insert(0, Action::commit_info(self.commit_info(&operation, &actions, &commit_id)));
            let ours = CommitFile { version: end.head().next_version(), actions };
            let standing = self.put_for_sure(&ours).await?;
            let written = standing.commit_id() == Some(commit_id.as_str());
            end = self.take_in(&end, &standing)?;
            if written {
                return Ok(Advanced::To(standing.version));
            }
        }
        Err(Error::unavailable("others commit to this table faster than we can")
            .with_detail(format!("{COMMIT_TRIES_MAX} versions in a row were taken by others")))
    }

    /// Tries to write a version and returns the commit that stands there in the end: this one or another's.
    async fn put_for_sure(&self, ours: &CommitFile) -> Result<CommitFile> {
        let body = Bytes::from(to_lines(&ours.actions)?);
        match put_for_sure(|| self.log.put(ours.version, body.clone()), || self.log.read(ours.version)).await? {
            Outcome::Written => Ok(ours.clone()),
            Outcome::Stands(standing) => Ok(standing),
            Outcome::Failed(failure) => Err(failure.into()),
            Outcome::Refused(refusal) => Err(Error::unavailable("the object store refuses a commit although nothing stands in its way")
                .with_detail(format!("version {} of {}", ours.version, self.place.url_of(self.location())))
                .with_cause(refusal)),
        }
    }

    fn append_actions(&self, commit: &Commit) -> Vec<Action> {
        let transaction = commit.transaction.as_ref().map(|transaction| self.txn_action(transaction));
        transaction.into_iter().chain(commit.adds.iter().map(|file| Action::add(file.0.clone()))).collect()
    }

    pub(super) fn txn_action(&self, transaction: &AppTransaction) -> Action {
        Action::txn(Txn { app_id: transaction.app_id.clone(), version: transaction.version, last_updated: Some(self.now_millis()) })
    }

    fn commit_info(&self, operation: &Operation, actions: &[Action], commit_id: &str) -> CommitInfo {
        let (name, parameters) = match operation {
            Operation::CreateTable => ("CREATE TABLE", json!({})),
            Operation::AddColumns => ("ADD COLUMNS", json!({})),
            Operation::Write => ("WRITE", json!({ "mode": "Append" })),
            Operation::Delete => ("DELETE", json!({})),
            Operation::Update => ("UPDATE", json!({})),
            Operation::Merge => ("MERGE", json!({})),
            Operation::Truncate => ("TRUNCATE", json!({})),
            Operation::StreamingUpdate { epoch } => ("STREAMING UPDATE", json!({ "outputMode": "Append", "epochId": epoch.to_string() })),
        };
        CommitInfo {
            timestamp: Some(self.now_millis()),
            operation: Some(name.to_string()),
            operation_parameters: Some(parameters),
            engine_info: Some(ENGINE_INFO.to_string()),
            operation_metrics: operation_metrics(actions),
            is_blind_append: Some(operation.is_blind() && actions.iter().any(|action| action.add.is_some())),
            lakewire_commit_id: Some(commit_id.to_string()),
        }
    }
}

/// Texts, as other engines write them.
fn operation_metrics(actions: &[Action]) -> Option<Value> {
    let removed = actions.iter().filter_map(|action| action.remove.as_ref());
    let added = actions.iter().filter_map(|action| action.add.as_ref());
    let (removed_files, removed_bytes) =
        removed.fold((0u64, 0i64), |(n, bytes), file| (n + 1, bytes.saturating_add(file.size.unwrap_or(0))));
    let (added_files, added_bytes) = added.fold((0u64, 0i64), |(n, bytes), file| (n + 1, bytes.saturating_add(file.size)));
    (removed_files > 0).then(|| {
        json!({
            "numRemovedFiles": removed_files.to_string(),
            "numRemovedBytes": removed_bytes.to_string(),
            "numAddedFiles": added_files.to_string(),
            "numAddedBytes": added_bytes.to_string(),
        })
    })
}

/// Whether files that were written for the table as it was can be appended to the table as it is.
fn check_fits(commit: &Commit, then: &Head, now: &Head) -> Result<()> {
    if now.version().is_none() {
        return Err(gone());
    }
    now.check_appendable()?;
    if let Some(changed) = changed_column(then.schema(), now.schema()) {
        return Err(changed_by_others(format!("column \"{changed}\" is gone or has another type")));
    }
    let partitioned_alike = |file: &AddedFile| {
        let values = &file.0.partition_values;
        values.len() == now.partition_columns().len() && now.partition_columns().iter().all(|column| values.contains_key(column))
    };
    match commit.adds.iter().all(partitioned_alike) {
        true => Ok(()),
        false => Err(changed_by_others(format!("it is now partitioned by ({})", now.partition_columns().join(", ")))),
    }
}

pub(super) fn gone() -> Error {
    Error::state("the table does not exist").with_state(SqlState::UNDEFINED_TABLE)
}

pub(super) fn changed_column<'a>(then: &'a Schema, now: &Schema) -> Option<&'a str> {
    let stands = |name: &str, then| now.field_with_name(name).is_ok_and(|now| same_type(then, now));
    then.fields().iter().find(|field| !stands(field.name(), field)).map(|field| field.name().as_str())
}

fn changed_by_others(detail: String) -> Error {
    Error::state("the table was changed by another engine").with_detail(detail).with_hint("write to it anew, as it is now")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lake::log::action::Remove;

    #[test]
    fn metrics_of_huge_files_do_not_overflow() {
        let add: Add = serde_json::from_value(json!({ "path": "f", "size": i64::MAX, "dataChange": true })).unwrap();
        let remove: Remove = serde_json::from_value(json!({ "path": "f", "size": i64::MAX, "dataChange": true })).unwrap();
        let actions = [Action::add(add.clone()), Action::add(add), Action::remove(remove.clone()), Action::remove(remove)];
        let metrics = operation_metrics(&actions).unwrap();
        assert_eq!((&metrics["numAddedFiles"], &metrics["numAddedBytes"]), (&json!("2"), &json!(i64::MAX.to_string())));
        assert_eq!((&metrics["numRemovedFiles"], &metrics["numRemovedBytes"]), (&json!("2"), &json!(i64::MAX.to_string())));
    }
}

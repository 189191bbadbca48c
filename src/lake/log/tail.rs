//! The end of a log, in short: of each thing that its commits speak of, what was said last.
//!
//! It holds the lines as they stand, so that a checkpoint which is made of them loses nothing that we have no name for.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, StructArray};
use arrow::datatypes::{DataType, Int64Type};
use bytes::Bytes;

use super::action::{Action, Remove, data_path};
use super::checkpoint_schema::{ADD, DOMAIN_METADATA, LEFT_OUT, METADATA, PROTOCOL, REMOVE, TXN};
use super::{lines, unreadable};
use crate::error::{Error, Result, SqlState};
use crate::lake::file_columns::{typed, vector_ids};
use crate::lake::file_keys::FileKey;

/// What the actions of some commits come to.
pub struct LogTail {
    /// Tombstones of before, in milliseconds since 1970, mean nothing any more.
    expired_millis: i64,
    /// `None` where nothing is left to be said: a tombstone that has expired, a domain that was removed.
    last: BTreeMap<Subject, Option<Bytes>>,
}

/// What an action is about: a later action about the same replaces it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Protocol,
    Metadata,
    Application(String),
    Domain(String),
    File(FileKey),
}

/// What of an object of a checkpoint counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Whole,
    /// What a sidecar is for. Readers look at nothing else in it, so nothing else may come from there into another checkpoint.
    Files,
}

impl LogTail {
    pub fn new(expired_millis: i64) -> LogTail {
        LogTail { expired_millis, last: BTreeMap::new() }
    }

    /// Takes in the commit that follows.
    pub fn add(&mut self, commit: &Bytes) -> Result<()> {
        for (subject, line) in self.read(commit)? {
            self.last.insert(subject, line);
        }
        Ok(())
    }

    /// Takes in what was before all commits: the lines of a checkpoint.
    pub fn add_earlier(&mut self, checkpoint: &Bytes, part: Part) -> Result<()> {
        for (subject, line) in self.read(checkpoint)? {
            if part == Part::Whole || matches!(subject, Subject::File(_)) {
                self.last.entry(subject).or_insert(line);
            }
        }
        Ok(())
    }

    /// The lines that are left. Protocol and metadata come first.
    pub fn lines(&self) -> Vec<Bytes> {
        self.last.values().flatten().cloned().collect()
    }

    /// Which rows of an earlier checkpoint still say something.
    pub fn leaves(&self, checkpoint: &RecordBatch) -> Result<BooleanArray> {
        let mut left = vec![true; checkpoint.num_rows()];
        for (field, column) in checkpoint.schema().fields().iter().zip(checkpoint.columns()) {
            let Some(action) = column.as_struct_opt() else { continue };
            if action.null_count() < action.len() {
                self.strike_out(field.name(), action, &mut left)?;
            }
        }
        Ok(left.into())
    }

    fn strike_out(&self, name: &str, action: &StructArray, left: &mut [bool]) -> Result<()> {
        let mut strike = |is_over: &dyn Fn(usize) -> Result<bool>| {
            for row in (0..action.len()).filter(|row| action.is_valid(*row)) {
                left[row] = !is_over(row)?;
            }
            Ok::<_, Error>(())
        };
        match name {
            PROTOCOL => strike(&|_| Ok(self.last.contains_key(&Subject::Protocol))),
            METADATA => strike(&|_| Ok(self.last.contains_key(&Subject::Metadata))),
            TXN => {
                let applications = texts(action, "appId")?;
                strike(&|row| Ok(self.last.contains_key(&Subject::Application(applications.as_string::<i32>().value(row).to_string()))))
            }
            DOMAIN_METADATA => {
                let domains = texts(action, "domain")?;
                strike(&|row| Ok(self.last.contains_key(&Subject::Domain(domains.as_string::<i32>().value(row).to_string()))))
            }
            ADD => {
                let (paths, vectors) = (texts(action, "path")?, vector_ids(action)?);
                strike(&|row| self.has_file(paths.as_string::<i32>().value(row), vectors.is_valid(row).then(|| vectors.value(row))))
            }
            REMOVE => {
                let (paths, vectors) = (texts(action, "path")?, vector_ids(action)?);
                let times = typed(action, "deletionTimestamp", &DataType::Int64)?;
                let times = times.as_ref().map(|times| times.as_primitive::<Int64Type>());
                let removed = |row| times.filter(|times| times.is_valid(row)).map(|times| times.value(row));
                strike(&|row| {
                    let vector = vectors.is_valid(row).then(|| vectors.value(row));
                    Ok(self.is_expired(removed(row)) || self.has_file(paths.as_string::<i32>().value(row), vector)?)
                })
            }
            _ if LEFT_OUT.contains(&name) => strike(&|_| Ok(true)),
            _ => Ok(()),
        }
    }

    fn has_file(&self, path: &str, vector: Option<&str>) -> Result<bool> {
        let key = FileKey { path: data_path(path)?.into(), vector: vector.map(str::to_string) };
        Ok(self.last.contains_key(&Subject::File(key)))
    }

    /// The protocol has it that a tombstone without a time is as old as can be.
    fn is_expired(&self, removed_millis: Option<i64>) -> bool {
        removed_millis.unwrap_or(0) < self.expired_millis
    }

    /// The lines that concern us, by what they are about. What a commit removes comes before what it adds, wherever it stands.
    fn read(&self, body: &Bytes) -> Result<Vec<(Subject, Option<Bytes>)>> {
        let (mut removed, mut others) = (Vec::new(), Vec::new());
        for line in lines(body) {
            let kept = || Some(body.slice_ref(line));
            let action: Action = serde_json::from_slice(line).map_err(unreadable)?;
            match action {
                Action { remove: Some(remove), .. } => removed.push((Subject::File(remove.key()?), self.tombstone(&remove, kept()))),
                Action { add: Some(add), .. } => others.push((Subject::File(add.key()?), kept())),
                Action { txn: Some(txn), .. } => others.push((Subject::Application(txn.app_id), kept())),
                Action { protocol: Some(_), .. } => others.push((Subject::Protocol, kept())),
                Action { meta_data: Some(_), .. } => others.push((Subject::Metadata, kept())),
                Action { domain_metadata: Some(named), .. } => {
                    others.push((Subject::Domain(named.domain), kept().filter(|_| !named.removed)));
                }
                _ => {}
            }
        }
        removed.append(&mut others);
        Ok(removed)
    }

    fn tombstone(&self, remove: &Remove, line: Option<Bytes>) -> Option<Bytes> {
        line.filter(|_| !self.is_expired(remove.deletion_timestamp))
    }
}

fn texts(action: &StructArray, name: &str) -> Result<arrow::array::ArrayRef> {
    typed(action, name, &DataType::Utf8)?.ok_or_else(|| {
        Error::data("a checkpoint of the table is incomplete")
            .with_state(SqlState::DATA_CORRUPTED)
            .with_detail(format!("its actions have no {name}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(commits: &[&str]) -> Vec<String> {
        let mut tail = LogTail::new(1000);
        commits.iter().for_each(|commit| tail.add(&Bytes::copy_from_slice(commit.as_bytes())).unwrap());
        tail.lines().iter().map(|line| String::from_utf8(line.to_vec()).unwrap()).collect()
    }

    #[test]
    fn the_last_word_on_each_subject_stands_as_it_was_said() {
        let add = |path: &str, size: i64| {
            format!(r#"{{"add":{{"path":"{path}","partitionValues":{{}},"size":{size},"dataChange":true,"tags":{{"a":"b"}}}}}}"#)
        };
        let remove = |path: &str, time: i64| format!(r#"{{"remove":{{"path":"{path}","deletionTimestamp":{time}}}}}"#);
        let domain = |removed: bool| format!(r#"{{"domainMetadata":{{"domain":"d","configuration":"c","removed":{removed}}}}}"#);
        let txn = |version: i64| format!(r#"{{"txn":{{"appId":"a","version":{version}}}}}"#);
        assert_eq!(standing(&[&add("f", 1), &add("f", 2)]), [add("f", 2)]);
        assert_eq!(standing(&[&add("f", 1), &remove("f", 2000)]), [remove("f", 2000)]);
        assert_eq!(standing(&[&add("f", 1), &remove("f", 999)]), [""; 0]);
        assert_eq!(standing(&[&add("a%20b", 1), &remove("a b", 2000)]), [remove("a b", 2000)]);
        assert_eq!(standing(&[&format!("{}\n{}\n", add("f", 1), remove("f", 2000))]), [add("f", 1)]);
        assert_eq!(standing(&[&txn(1), &format!("{{\"commitInfo\":{{}}}}\n\n{}", txn(2))]), [txn(2)]);
        assert_eq!(standing(&[&domain(false)]), [domain(false)]);
        assert_eq!(standing(&[&domain(false), &domain(true)]), [""; 0]);
    }
}

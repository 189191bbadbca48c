//! `lakewire generate`: the events of the tests, and what their numbers must be.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;

use super::ministack::{ACCESS_KEY, REGION};
use super::{KinesisLocal, Process, lakewire_command};

/// What a seed and a range of rows send.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Summary {
    pub records: i64,
    /// Each has an `event_id` of its own.
    pub valid: i64,
    /// Cannot be read, and must end in `lakewire.rejects`.
    pub broken: i64,
    /// Over the valid records.
    pub bytes_in_sum: i64,
    /// Valid records by `event_type`.
    pub types: BTreeMap<String, i64>,
}

/// A part of the dataset `network`: `rows` records, after the first `skip`.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    pub seed: u64,
    pub skip: u64,
    pub rows: u64,
}

impl Part {
    fn command(self) -> Command {
        let mut command = lakewire_command();
        let number = |number: u64| number.to_string();
        command.args(["generate", "--dataset", "network", "--seed", &number(self.seed), "--rows", &number(self.rows)]);
        if self.skip > 0 {
            command.args(["--skip", &number(self.skip)]);
        }
        command
    }
}

/// The part as NDJSON. Some broken records are not even UTF-8.
pub fn generate(part: Part) -> Vec<u8> {
    stdout_of(part.command())
}

pub fn summary(part: Part) -> Summary {
    let mut command = part.command();
    command.arg("--summary");
    let line = stdout_of(command);
    serde_json::from_slice(&line).unwrap_or_else(|error| panic!("{error} in the summary: {}", String::from_utf8_lossy(&line)))
}

/// Begins to put the part into a stream, so many events to a record. It is in when the process has ended with success.
pub fn put_into_kinesis(name: &'static str, part: Part, per_record: u64, server: &KinesisLocal, stream: &str, folder: &Path) -> Process {
    let mut command = part.command();
    command.args(["--kinesis-stream", stream, "--endpoint", server.endpoint(), "--per-record", &per_record.to_string()]);
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", ACCESS_KEY).env("AWS_REGION", REGION);
    Process::spawn(name, command, folder)
}

fn stdout_of(mut command: Command) -> Vec<u8> {
    let output = command.output().expect("lakewire can be started");
    assert!(output.status.success(), "{command:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

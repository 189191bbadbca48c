//! A child process that writes its output to a file, dies with its owner, and tells its last words when a test fails.

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::wait::wait_until;

const LAST_WORDS_LINES: usize = 60;

/// The program under test.
pub fn lakewire_command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lakewire"))
}

pub struct Process {
    name: &'static str,
    child: Child,
    output: PathBuf,
}

impl Process {
    /// Starts the command with both outputs appended to `<folder>/<name>.log`.
    pub fn spawn(name: &'static str, mut command: Command, folder: &Path) -> Process {
        let output = folder.join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(&output).expect("the test's folder can be written");
        let twin = log.try_clone().expect("a file handle can be cloned");
        command.stdin(Stdio::null()).stdout(log).stderr(twin);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name} ({command:?}): {error}"));
        Process { name, child, output }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All it has said so far, in all its lives.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// `None` while it runs.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    pub fn assert_alive(&mut self) {
        if let Some(status) = self.exit_status() {
            panic!("{} ended with {status}", self.name);
        }
    }

    /// SIGKILL: no destructor runs, nothing is flushed.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal by its name, e.g. `TERM`.
    pub fn signal(&self, signal: &str) {
        let id = self.id();
        let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {id}")]).status();
        assert!(sent.is_ok_and(|status| status.success()), "cannot send {signal} to {}", self.name);
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        wait_until(&what, deadline, async || self.exit_status()).await
    }

    fn last_words(&self) -> String {
        let output = self.output();
        let lines: Vec<_> = output.lines().collect();
        lines[lines.len().saturating_sub(LAST_WORDS_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let before = self.exit_status();
        self.kill();
        if std::thread::panicking() {
            let state = before.map_or("was running".to_string(), |status| format!("had ended with {status}"));
            eprintln!("---- {} {state}; its last words:\n{}\n----", self.name, self.last_words());
        }
    }
}

/// Whether a crash point stopped it: by `abort`, and not by an ordinary exit or another signal.
pub fn is_abort(status: ExitStatus) -> bool {
    const SIGABRT: i32 = 6;
    status.signal() == Some(SIGABRT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::servers::DEADLINE;

    fn shell(script: &str, folder: &Path) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::spawn("shell", command, folder)
    }

    #[tokio::test]
    async fn keeps_the_output_of_both_streams_and_of_all_lives() {
        let folder = tempfile::tempdir().unwrap();
        assert!(shell("echo one", folder.path()).ended(DEADLINE).await.success());
        let mut second = shell("echo two >&2; exit 3", folder.path());
        assert_eq!(second.ended(DEADLINE).await.code(), Some(3));
        assert_eq!(second.output(), "one\ntwo\n");
    }

    #[tokio::test]
    async fn signals_arrive_and_aborts_are_told_from_kills() {
        let folder = tempfile::tempdir().unwrap();
        let mut sleeper = shell("exec sleep 600", folder.path());
        sleeper.assert_alive();
        sleeper.signal("ABRT");
        assert!(is_abort(sleeper.ended(DEADLINE).await));
        let mut sleeper = shell("exec sleep 600", folder.path());
        sleeper.kill();
        assert!(!is_abort(sleeper.exit_status().unwrap()));
    }
}

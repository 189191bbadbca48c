//! A server within the test: SQL goes in by a session, as if a connection had brought it.

use std::sync::Arc;
use std::time::Duration;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::TryStreamExt;
use lakewire::error::{Error, Result};
use lakewire::flow::job::Status;
use lakewire::lake::fault_store::FaultStore;
use lakewire::session::{Outcome, Services, Session};
use tokio::time::{Instant, sleep};

/// How often something that is waited for is looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Longer than any back-off, in virtual time. A guard, not a measurement.
const DEADLINE: Duration = Duration::from_secs(300);

pub struct Server {
    pub services: Arc<Services>,
    pub store: FaultStore,
    session: Session,
}

/// What a statement gave. Values are text; NULL is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// Name and type.
    pub columns: Vec<(String, String)>,
    pub rows: Vec<Vec<String>>,
}

impl Server {
    pub fn new(services: Arc<Services>, store: FaultStore) -> Server {
        let session = Session::new(services.clone(), "lab", "lakewire").expect("a session can be made");
        Server { services, store, session }
    }

    /// Runs the statements of a text, one after the other, until one fails. The rows are those of the last.
    pub async fn try_sql(&self, text: &str) -> Result<Rows> {
        let mut rows = Rows::default();
        for statement in self.session.split(text)? {
            let prepared = self.session.prepare(&statement.text, &[]).await?;
            rows = match self.session.execute(&prepared, vec![]).await? {
                Outcome::Rows { schema, rows, .. } => Rows::of(&schema, &rows.try_collect::<Vec<_>>().await.map_err(Error::from)?)?,
                Outcome::Done { .. } | Outcome::Forget { .. } => Rows::default(),
            };
        }
        Ok(rows)
    }

    pub async fn sql(&self, text: &str) -> Rows {
        self.try_sql(text).await.unwrap_or_else(|error| panic!("{error:?}\nSTATEMENT: {text}\n{}", self.told()))
    }

    /// Says it until it is heard.
    pub async fn insist(&self, text: &str) {
        for statement in self.session.split(text).expect("statements") {
            while let Err(error) = self.try_sql(&statement.text).await {
                assert!(error.kind().is_retryable(), "{error:?}\nSTATEMENT: {}\n{}", statement.text, self.told());
                sleep(LOOK_INTERVAL).await;
            }
        }
    }

    /// Waits until a job is as it is wanted, and returns how it is.
    pub async fn wait_for(&self, job: &str, what: &str, is_so: impl Fn(&Status) -> bool) -> Status {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let statuses = self.services.supervisor.statuses();
            let status = statuses.into_iter().find(|(_, name, _)| name.as_str() == job).map(|(_, _, status)| status);
            if let Some(status) = status.filter(&is_so) {
                return status;
            }
            assert!(Instant::now() < deadline, "in vain: {job} {what}\n{}", self.told());
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// What the server did, for whoever has to understand a failure.
    pub fn told(&self) -> String {
        let events = self.services.flow.events.list();
        let events =
            events.iter().map(|event| format!("{} {} {}: {}", event.time.time(), event.object, event.kind.as_str(), event.message));
        let jobs = self.services.supervisor.statuses();
        let jobs =
            jobs.iter().map(|(_, name, status)| format!("{name} is {}, epoch {}: {:?}", status.state.as_str(), status.epoch, status.error));
        events.chain(jobs).collect::<Vec<_>>().join("\n")
    }
}

impl Rows {
    fn of(schema: &arrow::datatypes::Schema, batches: &[arrow::array::RecordBatch]) -> Result<Rows> {
        let columns = schema.fields().iter().map(|field| (field.name().clone(), field.data_type().to_string())).collect();
        let options = FormatOptions::default();
        let mut rows = vec![];
        for batch in batches {
            let columns = batch.columns().iter().map(|column| ArrayFormatter::try_new(column, &options)).collect::<Result<Vec<_>, _>>()?;
            rows.extend((0..batch.num_rows()).map(|row| columns.iter().map(|column| column.value(row).to_string()).collect()));
        }
        Ok(Rows { columns, rows })
    }

    /// The values of the first column, sorted.
    pub fn sorted_values(self) -> Vec<String> {
        let mut values: Vec<_> = self.rows.into_iter().map(|mut row| row.swap_remove(0)).collect();
        values.sort();
        values
    }

    /// In an order of their own.
    pub fn sorted(mut self) -> Vec<Vec<String>> {
        self.rows.sort();
        self.rows
    }
}

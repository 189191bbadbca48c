//! One session per connection: text in, rows and answers out.
//!
//! The life of a statement: `Session::split` cuts a text into statements; `prepare` parses one (`sql::parse`) and finds out its parameters and
//! columns (`prepare.rs`); `execute` runs it (`run/`, one file per statement). Definitions are checked as far as they can be before anything
//! is stored, and are durable before they are answered.

mod change;
mod cursors;
mod ended_jobs;
mod job_settings;
mod outcome;
mod prepare;
mod renaming;
mod replacing;
mod run;
mod services;
mod table_folders;
mod templates;
mod transaction;
mod variables;
mod view_query;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use datafusion::execution::SessionState;
use datafusion::scalar::ScalarValue;
use parking_lot::Mutex;

use crate::error::{Error, Result, SqlState};
use crate::model::{Name, SqlType};
use crate::sql;

pub use crate::sql::StatementText;
pub use outcome::{ENDLESS, Forgotten, Notice, Outcome};
pub use prepare::Prepared;
pub use services::Services;
pub use transaction::TransactionStatus;

use cursors::Cursors;
use templates::Templates;
use transaction::Transaction;
use variables::Variables;

/// What a connection is to the rest of the server. Statements of one session come one after another.
pub struct Session {
    services: Arc<Services>,
    state: SessionState,
    variables: Mutex<Variables>,
    transaction: Mutex<Transaction>,
    notices: Mutex<Vec<Notice>>,
    templates: Templates,
    cursors: Cursors,
}

impl Session {
    /// A session for a user who has been let in.
    pub fn new(services: Arc<Services>, user: &str, database: &str) -> Result<Session> {
        if database != sql::DATABASE {
            return Err(Error::undefined(format!("database \"{database}\" does not exist"))
                .with_state(SqlState::INVALID_CATALOG_NAME)
                .with_hint(format!("the database is called {}", sql::DATABASE)));
        }
        let state = services.context.state();
        let variables = Mutex::new(Variables::new(user));
        Ok(Session {
            services,
            state,
            variables,
            transaction: Mutex::default(),
            notices: Mutex::default(),
            templates: Templates::default(),
            cursors: Cursors::default(),
        })
    }

    /// Cuts a text into statements. Empty ones are left out.
    pub fn split(&self, sql: &str) -> Result<Vec<StatementText>> {
        sql::split(sql)
    }

    /// Parses and plans one statement, so that its parameters and columns are known.
    pub async fn prepare(&self, text: &str, parameter_types: &[Option<SqlType>]) -> Result<Prepared> {
        prepare::prepare(self, text, parameter_types).await
    }

    /// Answers a prepared statement at once, if all that it does is to look rows up. `None` where it is to be executed.
    pub fn answer_now(&self, prepared: &Prepared, parameters: &[ScalarValue]) -> Result<Option<Outcome>> {
        let Some(look_up) = prepared.look_up() else { return Ok(None) };
        self.transaction.lock().check(prepared.statement())?;
        run::query::look_up(self, prepared, &look_up, parameters)
    }

    /// Runs a prepared statement. Long ones can be dropped at any await.
    pub async fn execute(&self, prepared: &Prepared, parameters: Vec<ScalarValue>) -> Result<Outcome> {
        self.transaction.lock().check(prepared.statement())?;
        run::run(self, prepared, parameters).await
    }

    /// The columns of a cursor, which clients may ask for as those of a portal of its name. `None`: there is none.
    pub fn cursor_columns(&self, name: &str) -> Option<SchemaRef> {
        self.cursors.schema(&Name::new(name).ok()?).ok()
    }

    /// What came up since the last call, as far as `client_min_messages` lets it through.
    pub fn take_notices(&self) -> Vec<Notice> {
        let wanted: &[&str] = match self.variables.lock().get("client_min_messages").map(|level| level.to_lowercase()).as_deref() {
            Ok("warning") => &["WARNING"],
            Ok("error") => &[],
            _ => &["NOTICE", "WARNING"],
        };
        let mut notices = std::mem::take(&mut *self.notices.lock());
        notices.retain(|notice| wanted.contains(&notice.severity));
        notices
    }

    pub fn transaction_status(&self) -> TransactionStatus {
        self.transaction.lock().status()
    }

    /// A statement failed; within a transaction block nothing more runs until it ends.
    pub fn fail_transaction(&self) {
        self.transaction.lock().fail();
    }

    /// What a client is told of the session when it starts, and when it changes.
    pub fn parameters(&self) -> Vec<(&'static str, String)> {
        self.variables.lock().reported()
    }

    /// How old what a query reads of views may be.
    fn max_staleness(&self) -> Option<Duration> {
        self.variables.lock().max_staleness()
    }

    fn notice(&self, notice: Notice) {
        self.notices.lock().push(notice);
    }
}

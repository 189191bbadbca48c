//! Where the rows of a pipeline with state go: into files of its target, as those of any pipeline.

use arrow::datatypes::SchemaRef;

use super::super::super::FlowServices;
use super::super::super::expectations::Expectations;
use super::super::super::manifest::PreparedCommit;
use super::super::super::target::Target;
use super::super::epoch::OpenEpoch;
use super::super::spec::Written;
use crate::error::{Error, Result};
use crate::model::Changes;
use crate::sql::planner;

pub struct Writer {
    target: Target,
    location: String,
    expectations: Expectations,
}

impl Writer {
    /// For rows with these columns.
    pub async fn open(written: &Written, schema: &SchemaRef, services: &FlowServices) -> Result<Writer> {
        let context = planner::context(services.runtime.clone(), 1)?;
        Ok(Writer {
            target: Target::open(written.target.clone()).await?,
            location: written.target.location.clone(),
            expectations: Expectations::new(&context, schema, &written.expectations)?,
        })
    }

    /// Writes what came in a tick.
    pub async fn write(&mut self, changes: &Changes, epoch: &mut OpenEpoch<'_>) -> Result<()> {
        if (0..changes.len()).any(|row| changes.weight(row) < 0) {
            return Err(Error::internal("a pipeline's query took back rows that are written"));
        }
        let output = self.expectations.look_at(changes.repeated()?)?;
        epoch.count_output(&output);
        self.target.write(&output.rows).await
    }

    pub fn is_full(&self) -> bool {
        self.target.is_full()
    }

    /// Gives up the files that are not sealed.
    pub async fn discard(&mut self) {
        self.target.discard().await;
    }

    /// Ends the files that are open.
    pub async fn seal(&mut self) -> Result<PreparedCommit> {
        Ok(PreparedCommit { table: self.location.clone(), files: self.target.seal().await? })
    }
}

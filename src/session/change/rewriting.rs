//! Files as they become when the found rows are changed.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::{cast, filter_record_batch, interleave};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use futures::StreamExt;

use super::found::{Found, Place, Repeated};
use super::target::Target;
use crate::error::{Error, Result};
use crate::flow::assign::Assignment;
use crate::lake::{AddedFile, DataFile, RemovedFile, TableWriter};
use crate::query::view;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActionKind {
    Update,
    Delete,
    Insert,
    Nothing,
}

/// What is done to the rows that have its number.
pub struct Action {
    pub kind: ActionKind,
    /// Its values among the columns of the found rows.
    pub values: Range<usize>,
    pub assignment: Assignment,
}

/// What a commit needs.
pub struct Prepared {
    pub rows: u64,
    pub removes: Vec<RemovedFile>,
    pub adds: Vec<AddedFile>,
}

pub struct Rewriting {
    target: Arc<Target>,
    actions: Vec<Action>,
    target_file_bytes: u64,
    writer: Option<TableWriter>,
    removes: Vec<RemovedFile>,
}

/// The number of the action of found rows is in this column.
const ACTION_COLUMN: usize = 2;

impl Prepared {
    pub fn is_nothing(&self) -> bool {
        self.removes.is_empty() && self.adds.is_empty()
    }
}

impl Rewriting {
    pub fn new(target: Arc<Target>, actions: Vec<Action>, target_file_bytes: u64) -> Rewriting {
        Rewriting { target, actions, target_file_bytes, writer: None, removes: vec![] }
    }

    pub fn only_deletes(&self) -> bool {
        self.actions.iter().all(|action| action.kind == ActionKind::Delete)
    }

    /// All rows of the files go.
    pub fn without_reading(self, files: &[DataFile]) -> Result<Prepared> {
        let rows = files.iter().map(DataFile::rows).sum::<Option<u64>>();
        let removes = files.iter().map(|file| file.removed(self.target.snapshot())).collect::<Result<_>>()?;
        let rows = rows.ok_or_else(|| Error::internal("files whose rows are not counted were to be removed unread"))?;
        Ok(Prepared { rows, removes, adds: vec![] })
    }

    /// Runs the query for rows and writes the files that they are in anew.
    pub async fn run(mut self, plan: LogicalPlan, repeated: Repeated) -> Result<Prepared> {
        let state = &self.target.state;
        let plan = view::pin(plan, self.target.max_staleness).await?;
        let rows = execute_stream(state.create_physical_plan(&plan).await?, state.task_ctx())?;
        let mut found = Found::new(rows, repeated);
        match self.rewrite(&mut found).await {
            Ok(()) => {
                let adds = match self.writer {
                    Some(writer) => writer.close().await?,
                    None => vec![],
                };
                Ok(Prepared { rows: found.count(), removes: self.removes, adds })
            }
            Err(error) => {
                if let Some(writer) = self.writer {
                    writer.abort().await;
                }
                Err(error)
            }
        }
    }

    async fn rewrite(&mut self, found: &mut Found) -> Result<()> {
        while let Some(place) = found.place().await? {
            match place {
                Place::File(number) => self.rewrite_file(number, found).await?,
                Place::New => {
                    if let Some(rows) = found.take(Place::New, 0).await? {
                        self.insert(&rows).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn rewrite_file(&mut self, number: i64, found: &mut Found) -> Result<()> {
        let file = self.target.rows.file(number).ok_or_else(|| Error::internal(format!("no scan has numbered file {number}")))?;
        let snapshot = self.target.snapshot().clone();
        let mut rows = self.target.table.read_file(&snapshot, &file, &self.target.state)?;
        let mut first = 0;
        while let Some(batch) = rows.next().await.transpose()? {
            let behind = first + batch.num_rows() as i64;
            let batch = match found.take(Place::File(number), behind).await? {
                Some(changed) => self.changed(&batch, first, &changed)?,
                None => batch,
            };
            first = behind;
            self.write(batch).await?;
        }
        if found.place().await? == Some(Place::File(number)) {
            return Err(Error::internal("a row was found behind the end of its file"));
        }
        self.removes.push(file.removed(&snapshot)?);
        Ok(())
    }

    async fn insert(&mut self, rows: &RecordBatch) -> Result<()> {
        for n in 0..self.actions.len() {
            if let Some((_, values)) = self.values_of(n, rows)? {
                self.write(values).await?;
            }
        }
        Ok(())
    }

    /// A batch of a file, whose first row has the number `first`, with the found rows changed.
    fn changed(&self, batch: &RecordBatch, first: i64, found: &RecordBatch) -> Result<RecordBatch> {
        // For each row: it stays, it goes, or its new values are row n of the values of an action.
        let mut fates = vec![Fate::Stays; batch.num_rows()];
        let mut sources = vec![];
        let numbers = found.column(1).as_primitive::<Int64Type>();
        for n in 0..self.actions.len() {
            let Some((at, values)) = self.values_of(n, found)? else { continue };
            let source = sources.len();
            for (value, row) in at.iter().enumerate() {
                let place = (numbers.value(*row) - first) as usize;
                fates[place] = match self.actions[n].kind {
                    ActionKind::Delete => Fate::Goes,
                    _ => Fate::Becomes { source, value },
                };
            }
            sources.push(values);
        }
        let kept = fates.iter().enumerate().filter(|(_, fate)| **fate != Fate::Goes).collect::<Vec<_>>();
        let columns = batch.schema_ref().fields().iter().zip(batch.columns()).map(|(field, old)| {
            let mut arrays: Vec<&ArrayRef> = vec![old];
            // Where the column's new values are among the arrays, for each source that sets it.
            let places: Vec<_> = sources
                .iter()
                .map(|values| {
                    values.column_by_name(field.name()).map(|array| {
                        arrays.push(array);
                        arrays.len() - 1
                    })
                })
                .collect();
            let indices = kept.iter().map(|(row, fate)| match fate {
                Fate::Becomes { source, value } => places[*source].map_or((0, *row), |array| (array, *value)),
                Fate::Stays | Fate::Goes => (0, *row),
            });
            let arrays = arrays.iter().map(|array| array.as_ref()).collect::<Vec<_>>();
            Ok(interleave(&arrays, &indices.collect::<Vec<_>>())?)
        });
        let options = RecordBatchOptions::new().with_row_count(Some(kept.len()));
        Ok(RecordBatch::try_new_with_options(batch.schema(), columns.collect::<Result<_>>()?, &options)?)
    }

    /// Which of the found rows have this action, and its values for them as columns of the table.
    fn values_of(&self, action: usize, found: &RecordBatch) -> Result<Option<(Vec<usize>, RecordBatch)>> {
        let numbers = cast(found.column(ACTION_COLUMN), &DataType::Int64)?;
        let is_it: BooleanArray = numbers.as_primitive::<Int64Type>().iter().map(|number| Some(number == Some(action as i64))).collect();
        let at = (0..found.num_rows()).filter(|row| is_it.value(*row)).collect::<Vec<_>>();
        if at.is_empty() {
            return Ok(None);
        }
        let Action { values, assignment, .. } = &self.actions[action];
        let values = found.project(&values.clone().collect::<Vec<_>>())?;
        Ok(Some((at, assignment.apply(&filter_record_batch(&values, &is_it)?)?)))
    }

    async fn write(&mut self, rows: RecordBatch) -> Result<()> {
        if rows.num_rows() == 0 {
            return Ok(());
        }
        if self.writer.is_none() {
            self.writer = Some(self.target.table.writer(self.target.snapshot(), self.target_file_bytes)?);
        }
        self.writer.as_mut().expect("made just above").write(rows).await
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    Goes,
    Becomes { source: usize, value: usize },
}

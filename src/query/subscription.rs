//! What happens in a view, as it happens: the difference between the version that a reader was given and the newest.
//!
//! A reader that is slow is given what happened meanwhile as one change. It holds the two versions that it is between; one that takes nothing
//! for a while, from a view that has gone on, is let go, for these versions are memory that nobody else needs.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, TimestampMicrosecondArray, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::catalog::{Catalog, ObjectKind};
use crate::error::{Error, Result, SqlState};
use crate::flow::published::{Difference, Published, Stamp, Version};
use crate::model::{Changes, Name, ObjectId};

/// Behind which the view's own columns stand.
const TIME: &str = "_time";
const WEIGHT: &str = "_weight";
/// Batches that wait for the reader.
const BATCHES_AHEAD_MAX: usize = 1;
/// How often it is looked whether the view is still there.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long a reader may take nothing before it is let go.
const PATIENCE: Duration = Duration::from_secs(300);

/// A reader of a view's changes.
pub struct Subscription {
    pub view: ObjectId,
    pub name: Name,
    pub published: Arc<Published>,
    pub catalog: Catalog,
    /// Which rows it wants. `None`: all.
    pub condition: Option<Arc<dyn PhysicalExpr>>,
    /// What the reader was given.
    pub at: Arc<Version>,
    /// Whether it is told when it has all that happened up to a time.
    pub progress: Progress,
}

/// A row of which only `_time` says something, with a weight of 0: up to then it has everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    Untold,
    Told,
}

/// The columns of the rows that a subscription gives.
pub fn schema_of(view: &Schema) -> SchemaRef {
    let time = Field::new(TIME, DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())), false);
    let own = [Arc::new(time), Arc::new(Field::new(WEIGHT, DataType::Int64, false))];
    Arc::new(Schema::new(own.into_iter().chain(view.fields().iter().cloned()).collect::<Vec<_>>()))
}

/// The version after which what happened is not known to who was given everything up to `after_micros`, a `_time`.
///
/// Errors: 55000 if what has happened since is not kept any more.
pub fn version_at(published: &Published, name: &Name, after_micros: i64) -> Result<Arc<Version>> {
    published.version_at(after_micros).ok_or_else(|| {
        Error::state(format!("what has happened in materialized view \"{name}\" since then is not kept"))
            .with_state(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)
            .with_detail("a view keeps its last hundred or so changes, and what it had committed before a restart")
            .with_hint("subscribe with a snapshot; \"after\" is a _time that the subscription gave")
    })
}

impl Subscription {
    /// Gives changes, without end, as fast as they are taken. Dropping the stream ends it.
    pub fn stream(self, compute: &Handle) -> SendableRecordBatchStream {
        let schema = schema_of(self.at.schema());
        let mut handed_over = RecordBatchReceiverStreamBuilder::new(schema.clone(), BATCHES_AHEAD_MAX);
        let sender = handed_over.tx();
        let changed = self.published.subscribe();
        let is_to_tell = self.progress == Progress::Told && self.at.stamp != Stamp::default();
        let giving = Giving { subscription: self, schema, changed, way: None, is_to_tell };
        handed_over.spawn_on(
            async move {
                match giving.give(&sender).await {
                    Err(error) => Err(error.into()),
                    Ok(()) => Ok(()),
                }
            },
            compute,
        );
        handed_over.build()
    }
}

struct Giving {
    subscription: Subscription,
    schema: SchemaRef,
    changed: watch::Receiver<u64>,
    /// From the version that the reader was given to this one.
    way: Option<(Difference, Arc<Version>)>,
    /// The reader has come to a version and was not told.
    is_to_tell: bool,
}

impl Giving {
    /// Ends when nobody listens any more.
    async fn give(mut self, sender: &mpsc::Sender<datafusion::error::Result<RecordBatch>>) -> Result<()> {
        loop {
            let batch = tokio::select! {
                batch = self.next() => batch?,
                () = sender.closed() => return Ok(()),
            };
            loop {
                match timeout(PATIENCE, sender.reserve()).await {
                    Ok(Ok(place)) => {
                        place.send(Ok(batch));
                        break;
                    }
                    Ok(Err(_)) => return Ok(()),
                    Err(_) if self.is_up_to_date() => {}
                    Err(_) => return Err(self.too_slow()),
                }
            }
        }
    }

    /// Waits until something has happened. May be dropped and called again.
    async fn next(&mut self) -> Result<RecordBatch> {
        loop {
            while let Some((difference, to)) = &mut self.way {
                let to = to.clone();
                match difference.next() {
                    Some(part) => {
                        let batch = self.rows(&part?, to.time_micros)?;
                        if batch.num_rows() > 0 {
                            return Ok(batch);
                        }
                    }
                    None => {
                        self.subscription.at = to;
                        self.way = None;
                        self.is_to_tell = self.subscription.progress == Progress::Told;
                    }
                }
            }
            if std::mem::take(&mut self.is_to_tell) {
                return self.progress_row();
            }
            self.changed.mark_unchanged();
            let newest = self.newest()?;
            if newest.stamp != self.subscription.at.stamp {
                self.way = Some((newest.since(&self.subscription.at), newest));
                continue;
            }
            let _ = timeout(LOOK_INTERVAL, self.changed.changed()).await;
        }
    }

    /// Errors: 42P01 if the view is not there any more.
    fn newest(&self) -> Result<Arc<Version>> {
        let subscription = &self.subscription;
        let is_there = subscription.catalog.snapshot().get(subscription.view).is_some();
        let newest = subscription.published.newest().filter(|_| is_there);
        newest.ok_or_else(|| ObjectKind::View.undefined(&subscription.name).with_detail("it was dropped, or replaced"))
    }

    fn is_up_to_date(&self) -> bool {
        self.newest().is_ok_and(|newest| self.way.as_ref().is_none_or(|(_, to)| to.stamp == newest.stamp))
    }

    fn too_slow(&self) -> Error {
        Error::state(format!("the subscription to materialized view \"{}\" was ended", self.subscription.name))
            .with_state(SqlState::CONFIGURATION_LIMIT_EXCEEDED)
            .with_detail(format!("nothing was taken for {} seconds, while the view has changed", PATIENCE.as_secs()))
            .with_hint("read on as rows come; subscribe again, after the last _time if that is still kept")
    }

    fn progress_row(&self) -> Result<RecordBatch> {
        let view = self.subscription.at.schema();
        let nothing = RecordBatch::try_new(view.clone(), view.fields().iter().map(|field| new_null_array(field.data_type(), 1)).collect())?;
        self.with_time(&Changes::new(nothing, vec![0].into()), self.subscription.at.time_micros)
    }

    /// The rows that are wanted of what has happened.
    fn rows(&self, changes: &Changes, time_micros: i64) -> Result<RecordBatch> {
        let wanted = match &self.subscription.condition {
            None => changes.clone(),
            Some(condition) => {
                let holds = cast(&condition.evaluate(changes.rows())?.into_array(changes.len())?, &DataType::Boolean)?;
                // Null is not true.
                changes.filter(&holds.as_boolean().iter().map(|holds| Some(holds == Some(true))).collect::<BooleanArray>())?
            }
        };
        self.with_time(&wanted, time_micros)
    }

    fn with_time(&self, changes: &Changes, time_micros: i64) -> Result<RecordBatch> {
        let times = TimestampMicrosecondArray::from_value(time_micros, changes.len()).with_timezone("UTC");
        let weights: Int64Array = changes.weights();
        let own: [ArrayRef; 2] = [Arc::new(times), Arc::new(weights)];
        let columns = own.into_iter().chain(changes.rows().columns().iter().cloned()).collect();
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }
}

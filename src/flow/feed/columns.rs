//! The columns of one source, as all its readers must agree on them.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::catalog::{Catalog, Definition};
use crate::error::{Error, Result};
use crate::fault::{self, crash_point};
use crate::flow::events::{EventKind, EventLog};
use crate::model::{Name, ObjectId, SourceColumn};

/// The list only grows, and is durable before anybody sees a batch that has the new columns: so a column keeps its type and its place through
/// restarts, whatever is read again.
pub struct Columns {
    source: ObjectId,
    name: Name,
    catalog: Catalog,
    events: EventLog,
    current: RwLock<Arc<Vec<SourceColumn>>>,
    growing: tokio::sync::Mutex<()>,
}

/// What became of a proposal to add columns.
pub enum Growth {
    /// They are the next columns, as proposed.
    Agreed,
    /// Another reader was first. Decode again with the columns as they are now.
    Overtaken,
}

impl Columns {
    pub fn new(source: ObjectId, name: Name, known: Vec<SourceColumn>, catalog: Catalog, events: EventLog) -> Columns {
        Columns { source, name, catalog, events, current: RwLock::new(Arc::new(known)), growing: tokio::sync::Mutex::new(()) }
    }

    pub fn current(&self) -> Arc<Vec<SourceColumn>> {
        self.current.read().clone()
    }

    /// Adds `found` behind the first `known` columns, unless the list has grown since.
    pub async fn grow(&self, known: usize, found: &[SourceColumn]) -> Result<Growth> {
        let _one_at_a_time = self.growing.lock().await;
        if self.current().len() != known {
            return Ok(Growth::Overtaken);
        }
        let stored = self.store(known, found).await?;
        let agreed = stored.len() == known + found.len() && stored[known..] == *found;
        *self.current.write() = Arc::new(stored);
        if !agreed {
            return Ok(Growth::Overtaken);
        }
        crash_point(fault::SOURCE_COLUMNS_SAVED);
        self.tell(found);
        Ok(Growth::Agreed)
    }

    /// Another server may share the catalog: whoever writes first decides, and this returns what was decided.
    async fn store(&self, known: usize, found: &[SourceColumn]) -> Result<Vec<SourceColumn>> {
        let added = found.to_vec();
        let snapshot = self
            .catalog
            .update(self.source, move |object| match &mut object.definition {
                Definition::Source(source) => {
                    if source.columns.len() == known {
                        source.columns.extend(added);
                    }
                    Ok(())
                }
                _ => Err(Error::internal("the columns of something that is not a source were to grow")),
            })
            .await?;
        match snapshot.get(self.source).map(|object| &object.definition) {
            Some(Definition::Source(source)) => Ok(source.columns.clone()),
            _ => Err(Error::undefined(format!("source \"{}\" does not exist any more", self.name))),
        }
    }

    fn tell(&self, found: &[SourceColumn]) {
        for column in found {
            let what = match column.is_sibling() {
                false => format!("new column \"{}\" {}", column.name, column.data_type),
                true => format!("field \"{}\" has changed type: new column \"{}\" {}", column.field, column.name, column.data_type),
            };
            self.events.add(EventKind::NewColumn, self.name.as_str(), &what);
        }
    }
}

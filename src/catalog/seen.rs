//! What was seen in a source: since when, and how often. Derived: it tells users about their data, and nothing is decided by it. Writing it makes
//! no new generation, and a write whose answer is lost may count twice or not at all.

use sqlx::Row;

use super::store::Store;
use super::{Catalog, ObjectKind};
use crate::error::Result;
use crate::model::ObjectId;

const ADD: &str = "INSERT INTO source_seen (source, kind, name, first_seen, times) \
                   SELECT $1, $2, $3, CAST($4 AS BIGINT), CAST($5 AS BIGINT) WHERE EXISTS (SELECT 1 FROM objects WHERE id = $6 AND kind = $7) \
                   ON CONFLICT (source, kind, name) DO UPDATE SET times = source_seen.times + excluded.times";
const LIST: &str = "SELECT kind, name, first_seen, times FROM source_seen WHERE source = $1";

/// What it is that was seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sight {
    /// Records, rejected ones too.
    Record,
    /// Values of the column of this name.
    Column(String),
    /// Rejected records with this kind of flaw.
    Reject(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub sight: Sight,
    /// Microseconds since 1970.
    pub first_micros: i64,
    pub times: u64,
}

impl Catalog {
    /// Adds to what is stored. The earlier first sight counts. Of a source that is not there any more nothing is kept.
    pub async fn add_seen(&self, source: ObjectId, seen: &[Seen]) -> Result<()> {
        self.0.store.add_seen(source, seen).await
    }

    /// What any node has seen and stored, in no order.
    pub async fn seen(&self, source: ObjectId) -> Result<Vec<Seen>> {
        self.0.store.seen(source).await
    }
}

impl Store {
    async fn add_seen(&self, source: ObjectId, seen: &[Seen]) -> Result<()> {
        let mut transaction = self.connections.answer(self.connections.pool().begin()).await?;
        for seen in seen {
            let (kind, name) = seen.sight.stored();
            let add = sqlx::query(ADD)
                .bind(source.to_string())
                .bind(kind)
                .bind(name)
                .bind(seen.first_micros)
                .bind(i64::try_from(seen.times).unwrap_or(i64::MAX))
                .bind(source.to_string())
                .bind(ObjectKind::Source.as_str());
            self.connections.answer(add.execute(&mut *transaction)).await?;
        }
        self.connections.answer(transaction.commit()).await
    }

    async fn seen(&self, source: ObjectId) -> Result<Vec<Seen>> {
        let pool = self.connections.pool();
        let rows = self.connections.answer(sqlx::query(LIST).bind(source.to_string()).fetch_all(&pool)).await?;
        let mut seen = Vec::with_capacity(rows.len());
        for row in rows {
            let (kind, name): (String, String) = (row.try_get("kind")?, row.try_get("name")?);
            let (first_micros, times): (i64, i64) = (row.try_get("first_seen")?, row.try_get("times")?);
            // What a newer version counts is not ours to show.
            let Some(sight) = Sight::of_stored(&kind, name) else { continue };
            seen.push(Seen { sight, first_micros, times: times.max(0) as u64 });
        }
        Ok(seen)
    }
}

impl Sight {
    fn stored(&self) -> (&'static str, &str) {
        match self {
            Sight::Record => ("record", ""),
            Sight::Column(name) => ("column", name),
            Sight::Reject(kind) => ("reject", kind),
        }
    }

    fn of_stored(kind: &str, name: String) -> Option<Sight> {
        Some(match kind {
            "record" => Sight::Record,
            "column" => Sight::Column(name),
            "reject" => Sight::Reject(name),
            _ => return None,
        })
    }
}

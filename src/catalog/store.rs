//! The tables of the catalog store: how they are read, and how they are written by one at a time.

use std::time::Duration;

use sqlx::any::AnyRow;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Any, Connection, Row, Transaction};

use super::address::Address;
use super::connections::{ANSWER_TIMEOUT, Connections, answer_within};
use super::{Change, Definition, Generation, Object, ObjectKind, Snapshot};
use crate::error::{Error, Result, SqlState};
use crate::model::{Name, ObjectId, id};

/// How long bringing the tables up to date may take, another server's turn included.
const MIGRATION_TIMEOUT: Duration = Duration::from_secs(600);

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

const TAKE: &str = "UPDATE catalog_generation SET generation = generation + 1, token = $1, committed_at = $2 RETURNING generation";
/// Changes nothing, and so waits for a write that is still going on.
const SETTLE: &str = "UPDATE catalog_generation SET generation = generation RETURNING generation, token";
const GENERATION: &str = "SELECT generation FROM catalog_generation";
/// One statement, so that both engines answer it from one moment.
const LOAD: &str = "SELECT g.generation, o.id, o.name, o.kind, o.sql, o.created_at, o.definition \
                    FROM catalog_generation g LEFT JOIN objects o ON 1 = 1";
const INSERT: &str = "INSERT INTO objects (namespace, name, kind, sql, created_at, definition, id) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const UPDATE: &str = "UPDATE objects SET namespace = $1, name = $2, kind = $3, sql = $4, created_at = $5, definition = $6 WHERE id = $7";
const DELETE: &str = "DELETE FROM objects WHERE id = $1";
const DELETE_SEEN: &str = "DELETE FROM source_seen WHERE source = $1";

pub struct Store {
    pub(super) connections: Connections,
}

/// A write that has begun. It holds the lock of all writers, of all nodes, until it is committed or dropped.
pub struct Write {
    transaction: Transaction<'static, Any>,
    connections: Connections,
    pub stamp: Stamp,
}

/// What a write leaves in the store, so that it can be found again.
#[derive(Debug, Clone)]
pub struct Stamp {
    /// The one that this write makes.
    pub generation: Generation,
    pub token: String,
}

/// What became of a write whose COMMIT got no answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Settled {
    Stored,
    NotStored,
    /// Another has written since, over it or instead of it.
    Unknown,
}

impl Store {
    /// Connects and brings the tables up to date.
    pub async fn open(address: &Address) -> Result<Store> {
        Store::open_within(address, ANSWER_TIMEOUT).await
    }

    /// The same, with other patience.
    pub(super) async fn open_within(address: &Address, answer_timeout: Duration) -> Result<Store> {
        address.make_ready()?;
        let mut connection = answer_within(answer_timeout, address.connect()).await?;
        let migrating = async { MIGRATIONS.run(&mut connection).await.map_err(|error| migration_error(address, error)) };
        answer_within(MIGRATION_TIMEOUT, migrating).await?;
        let connections = Connections::new(address.clone(), answer_timeout);
        connections.answer(connection.close()).await?;
        Ok(Store { connections })
    }

    pub async fn generation(&self) -> Result<Generation> {
        let pool = self.connections.pool();
        let generation: i64 = self.connections.answer(sqlx::query_scalar(GENERATION).fetch_one(&pool)).await?;
        Ok(Generation(generation))
    }

    pub async fn load(&self) -> Result<Snapshot> {
        let pool = self.connections.pool();
        let rows = self.connections.answer(sqlx::query(LOAD).fetch_all(&pool)).await?;
        snapshot_of(&rows)
    }

    /// Waits for its turn among the writers of all nodes.
    pub async fn begin(&self, now_micros: i64) -> Result<Write> {
        let token = id::unique_token();
        let connections = self.connections.clone();
        let mut transaction = connections.answer(connections.pool().begin()).await?;
        // As the first statement: SQLite gives a transaction that began with reading no write lock if another wrote meanwhile.
        let take = sqlx::query_scalar(TAKE).bind(&token).bind(now_micros);
        let generation = connections.answer(take.fetch_one(&mut *transaction)).await?;
        Ok(Write { transaction, connections, stamp: Stamp { generation: Generation(generation), token } })
    }

    /// Makes it durable. If the answer is lost, finds out whether it was stored.
    pub async fn commit(&self, write: Write) -> Result<()> {
        let Write { transaction, stamp, .. } = write;
        let Err(error) = self.connections.answer(transaction.commit()).await else { return Ok(()) };
        match self.settle(&stamp).await {
            Ok(Settled::Stored) => Ok(()),
            Ok(Settled::NotStored) => Err(error),
            Ok(Settled::Unknown) | Err(_) => Err(Error::unavailable("the catalog store did not say whether the change is stored")
                .with_cause(error)
                .with_hint("look whether it is there before trying again")),
        }
    }

    pub async fn settle(&self, stamp: &Stamp) -> Result<Settled> {
        let pool = self.connections.pool();
        let row = self.connections.answer(sqlx::query(SETTLE).fetch_one(&pool)).await?;
        let generation = Generation(row.try_get("generation")?);
        let token: String = row.try_get("token")?;
        Ok(match generation {
            _ if token == stamp.token => Settled::Stored,
            before if before < stamp.generation => Settled::NotStored,
            _ => Settled::Unknown,
        })
    }
}

impl Write {
    /// The generation that this write builds on.
    pub fn base(&self) -> Generation {
        Generation(self.stamp.generation.0 - 1)
    }

    /// All there was before this write.
    pub async fn load_base(&mut self) -> Result<Snapshot> {
        let rows = self.connections.answer(sqlx::query(LOAD).fetch_all(&mut *self.transaction)).await?;
        Ok(Snapshot::of(self.base(), objects_of(&rows)?))
    }

    pub async fn apply(&mut self, changes: &[Change]) -> Result<()> {
        for change in changes {
            match change {
                Change::Create(object) => self.put(INSERT, object).await?,
                Change::Replace(object) => self.put(UPDATE, object).await?,
                Change::Drop(id) => {
                    for statement in [DELETE, DELETE_SEEN] {
                        let delete = sqlx::query(statement).bind(id.to_string());
                        self.connections.answer(delete.execute(&mut *self.transaction)).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn put(&mut self, statement: &'static str, object: &Object) -> Result<()> {
        let definition = serde_json::to_string(&object.definition)
            .map_err(|error| Error::internal(format!("the definition of {object} cannot be written")).with_cause(error))?;
        let put = sqlx::query(statement)
            .bind(object.kind().namespace().as_str())
            .bind(object.name.as_str())
            .bind(object.kind().as_str())
            .bind(object.sql.as_str())
            .bind(object.created_at.timestamp_micros())
            .bind(definition)
            .bind(object.id.to_string());
        self.connections.answer(put.execute(&mut *self.transaction)).await?;
        Ok(())
    }

    /// Gives the lock back now; a mere drop does so when the pool gets round to it.
    pub async fn abandon(self) -> Result<()> {
        self.connections.answer(self.transaction.rollback()).await
    }
}

fn snapshot_of(rows: &[AnyRow]) -> Result<Snapshot> {
    let Some(first) = rows.first() else { return Err(damaged("its generation is missing")) };
    Ok(Snapshot::of(Generation(first.try_get("generation")?), objects_of(rows)?))
}

fn objects_of(rows: &[AnyRow]) -> Result<Vec<Object>> {
    rows.iter().filter_map(|row| object_of(row).transpose()).collect()
}

/// `None` is the row that stands for no objects at all.
fn object_of(row: &AnyRow) -> Result<Option<Object>> {
    let Some(id) = row.try_get::<Option<String>, _>("id")? else { return Ok(None) };
    let (name, kind): (String, String) = (row.try_get("name")?, row.try_get("kind")?);
    let (created_at, definition): (i64, String) = (row.try_get("created_at")?, row.try_get("definition")?);
    if ObjectKind::parse(&kind).is_none() {
        return Err(newer().with_detail(format!("there is no kind of object \"{kind}\" in this version")));
    }
    let definition: Definition = serde_json::from_str(&definition).map_err(|error| {
        newer().with_detail(format!("the definition of {kind} \"{name}\" has a form that this version does not know")).with_cause(error)
    })?;
    let object = Object {
        id: ObjectId::parse(&id).ok_or_else(|| damaged("an id is no id"))?,
        name: Name::new(name)?,
        sql: row.try_get("sql")?,
        created_at: chrono::DateTime::from_timestamp_micros(created_at).ok_or_else(|| damaged("a time is out of range"))?,
        definition,
    };
    Ok(Some(object))
}

fn migration_error(address: &Address, error: MigrateError) -> Error {
    match error {
        MigrateError::VersionMissing(version) => {
            newer().with_detail(format!("it has the changes of migration {version}, which this version does not have"))
        }
        other => address.error().with_cause(other),
    }
}

fn newer() -> Error {
    Error::state("the catalog was written by a newer version of lakewire").with_hint("start the newer version")
}

fn damaged(what: &str) -> Error {
    Error::internal("the catalog store is damaged").with_state(SqlState::DATA_CORRUPTED).with_detail(what)
}

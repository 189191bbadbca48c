//! What is defined, by kind. These are stored as JSON: a field may be added with a default, never renamed. An older server refuses
//! a definition that has a field it does not know, for writing it back would lose that field.

use serde::{Deserialize, Serialize};

use super::{ObjectKind, SecretDef};
use crate::model::options::Start;
use crate::model::{JobId, Name, ObjectId, Options, SchemaMode, SourceColumn, SqlType};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Definition {
    Source(SourceDef),
    Table(TableDef),
    Pipeline(PipelineDef),
    Secret(SecretDef),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceDef {
    pub connector: String,
    pub format: Format,
    /// Nested objects become columns of their own, `a__b`.
    pub flatten: bool,
    pub mode: SchemaMode,
    /// Where a job that reads it begins, unless the job says otherwise.
    pub start: Option<Start>,
    /// The connector's own options. Secrets stand here by name.
    pub options: Options,
    /// Grows at its end as columns are found.
    pub columns: Vec<SourceColumn>,
}

/// How the records of a source are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Json,
}

/// A table as it was declared. The columns it has now are in its Delta log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableDef {
    /// Relative to the lake root (`events`), or an absolute URL.
    pub location: String,
    pub columns: Vec<TableColumn>,
    pub partition_by: Vec<String>,
    pub mode: SchemaMode,
    pub target_file_bytes: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableColumn {
    pub name: String,
    pub data_type: SqlType,
    pub not_null: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PipelineDef {
    pub job: JobId,
    /// The text of the SELECT. It is planned anew from this text.
    pub query: String,
    /// The relations the query reads.
    pub sources: Vec<ObjectId>,
    pub target: ObjectId,
    /// `INSERT INTO t (a, b)`.
    pub target_columns: Option<Vec<String>>,
    pub expectations: Vec<Expectation>,
    pub commit_interval_ms: u64,
    /// Overrides the start of its sources.
    pub start: Option<Start>,
    pub state: DesiredState,
}

/// `CONSTRAINT name EXPECT condition ON VIOLATION …`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    pub name: String,
    /// A boolean SQL expression over the pipeline's columns, as text.
    pub condition: String,
    pub on_violation: OnViolation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnViolation {
    DropRow,
    Fail,
    Warn,
}

/// What the user asked for, as against what the job is doing now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DesiredState {
    Running,
    Paused,
}

/// How one definition names another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference<'a> {
    Id(ObjectId),
    /// Options name secrets, so that a secret can be dropped and made again.
    Secret(&'a Name),
}

impl Definition {
    pub fn kind(&self) -> ObjectKind {
        match self {
            Definition::Source(_) => ObjectKind::Source,
            Definition::Table(_) => ObjectKind::Table,
            Definition::Pipeline(_) => ObjectKind::Pipeline,
            Definition::Secret(_) => ObjectKind::Secret,
        }
    }

    /// Everything that must exist as long as this does.
    pub fn references(&self) -> Vec<Reference<'_>> {
        match self {
            Definition::Source(source) => source.options.secrets().map(Reference::Secret).collect(),
            Definition::Pipeline(pipeline) => pipeline.sources.iter().chain([&pipeline.target]).map(|id| Reference::Id(*id)).collect(),
            Definition::Table(_) | Definition::Secret(_) => Vec::new(),
        }
    }
}

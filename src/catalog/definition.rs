//! What is defined, by kind. These are stored as JSON: a field may be added with a default, never renamed. An older server refuses
//! a definition that has a field it does not know, for writing it back would lose that field.

use std::collections::BTreeSet;

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
    View(ViewDef),
    Secret(SecretDef),
    Index(IndexDef),
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
    /// How late a record can be, if the user said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<WatermarkDef>,
}

/// `WATERMARK FOR column AS column - INTERVAL …`: when a record of time t has come, none of before t − lateness is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatermarkDef {
    /// A declared column, of type timestamp or timestamptz.
    pub column: String,
    /// Not negative.
    pub lateness_micros: i64,
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
    #[serde(default, skip_serializing_if = "Emit::is_default")]
    pub emit: Emit,
    /// If the query remembers something from row to row: the relations it reads, each once, with the columns it sees of them. Empty for a
    /// query that looks at one row at a time, which sees new columns as they come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_inputs: Vec<ViewInput>,
    pub state: DesiredState,
}

/// A materialized view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewDef {
    pub job: JobId,
    /// The text of the SELECT, without `EMIT`. It is planned anew from this text, over `inputs` as they were: so a `*` in it stays what it was.
    pub query: String,
    /// The relations the query reads, each once.
    pub inputs: Vec<ViewInput>,
    /// The columns of the result, as of creation.
    pub columns: Vec<ViewColumn>,
    /// The places of columns in which no two rows are alike, where the query itself sees to that: none of them for a result of at most one row.
    #[serde(default)]
    pub unique: Option<Vec<usize>>,
    pub emit: Emit,
    pub commit_interval_ms: u64,
    /// Overrides the start of its sources.
    pub start: Option<Start>,
    pub state: DesiredState,
    /// The view whose place it is to take, once it has caught up. Until then nothing may be made that depends on it. It may be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<ObjectId>,
}

/// Columns of a view by which rows of it are looked up, beside its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexDef {
    pub view: ObjectId,
    /// In their order, each once.
    pub columns: Vec<String>,
}

/// A relation that a view reads, and what the view knows of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewInput {
    /// A source, a table or another view.
    pub relation: ObjectId,
    /// Its columns when the view was made, in their order. The query is planned over these alone, whatever columns have come since.
    pub columns: Vec<String>,
    /// What the query calls it. `None` in what earlier servers have defined: there it is its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub called: Option<Name>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ViewColumn {
    pub name: String,
    pub data_type: SqlType,
}

impl ViewInput {
    /// Whether it is the same, whatever it is called.
    pub fn is_like(&self, other: &ViewInput) -> bool {
        self.relation == other.relation && self.columns == other.columns
    }
}

/// When a row of a result is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Emit {
    /// At once, and again whenever it changes.
    #[default]
    OnChange,
    /// Once, when the watermark says that it is final.
    OnWindowClose,
}

impl Emit {
    fn is_default(&self) -> bool {
        *self == Emit::default()
    }
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

/// What can be changed of a job, be it a pipeline's or a view's.
pub struct JobSettings<'a> {
    pub state: &'a mut DesiredState,
    pub commit_interval_ms: &'a mut u64,
}

impl Definition {
    pub fn kind(&self) -> ObjectKind {
        match self {
            Definition::Source(_) => ObjectKind::Source,
            Definition::Table(_) => ObjectKind::Table,
            Definition::Pipeline(_) => ObjectKind::Pipeline,
            Definition::View(_) => ObjectKind::View,
            Definition::Secret(_) => ObjectKind::Secret,
            Definition::Index(_) => ObjectKind::Index,
        }
    }

    /// Everything that must exist as long as this does.
    pub fn references(&self) -> Vec<Reference<'_>> {
        match self {
            Definition::Source(source) => source.options.secrets().map(Reference::Secret).collect(),
            Definition::Pipeline(pipeline) => pipeline.sources.iter().chain([&pipeline.target]).map(|id| Reference::Id(*id)).collect(),
            Definition::View(view) => view.inputs.iter().map(|input| Reference::Id(input.relation)).collect(),
            Definition::Index(index) => vec![Reference::Id(index.view)],
            Definition::Table(_) | Definition::Secret(_) => Vec::new(),
        }
    }

    /// Whether it knows one of these by what its query, or the statement that made it, calls it.
    pub fn reads(&self, relations: &BTreeSet<ObjectId>) -> bool {
        match self {
            Definition::View(ViewDef { inputs, .. }) | Definition::Pipeline(PipelineDef { kept_inputs: inputs, .. }) => {
                inputs.iter().any(|input| relations.contains(&input.relation))
            }
            Definition::Index(index) => relations.contains(&index.view),
            Definition::Source(_) | Definition::Table(_) | Definition::Secret(_) => false,
        }
    }

    /// What a query that remembers something reads.
    pub fn inputs_mut(&mut self) -> &mut [ViewInput] {
        match self {
            Definition::View(ViewDef { inputs, .. }) | Definition::Pipeline(PipelineDef { kept_inputs: inputs, .. }) => inputs,
            Definition::Source(_) | Definition::Table(_) | Definition::Secret(_) | Definition::Index(_) => &mut [],
        }
    }

    /// The view that this one is being built to replace, if it is.
    pub fn replaces(&self) -> Option<ObjectId> {
        match self {
            Definition::View(view) => view.replaces,
            Definition::Source(_) | Definition::Table(_) | Definition::Pipeline(_) | Definition::Secret(_) | Definition::Index(_) => None,
        }
    }

    /// The job that runs it, where one does, and whether it shall run.
    pub fn job(&self) -> Option<(JobId, DesiredState)> {
        match self {
            Definition::Pipeline(pipeline) => Some((pipeline.job, pipeline.state)),
            Definition::View(view) => Some((view.job, view.state)),
            Definition::Source(_) | Definition::Table(_) | Definition::Secret(_) | Definition::Index(_) => None,
        }
    }

    /// What the user may change of its job while it is there.
    pub fn job_settings(&mut self) -> Option<JobSettings<'_>> {
        match self {
            Definition::Pipeline(PipelineDef { state, commit_interval_ms, .. })
            | Definition::View(ViewDef { state, commit_interval_ms, .. }) => Some(JobSettings { state, commit_interval_ms }),
            Definition::Source(_) | Definition::Table(_) | Definition::Secret(_) | Definition::Index(_) => None,
        }
    }
}

//! Text to statements. No I/O, no plans, no knowledge of any connector.
//!
//! The life of a statement:
//!
//! 1. [`parse`] has the whole text cut into tokens and, at top-level semicolons, into statements (`split.rs`).
//! 2. `statement.rs` looks at the first words. A statement of our own goes to the file of its name; `SELECT`, `VALUES` and
//!    `INSERT` go to sqlparser, under PostgreSQL's dialect (`dialect.rs`); everything else is refused by name (`unsupported.rs`).
//! 3. The statement's file reads tokens through a [`reader::Reader`] and makes the statement's struct. Names are folded, types
//!    are ours, options are as written: what they mean is for the connector to say.
//! 4. What was wrong comes back as one error with its position in the whole text (`syntax_error.rs`).
//! 5. Later floors ask about the query: which relations it reads and which columns it names (`identifiers.rs`), what its `*`
//!    must leave out (`metadata_columns.rs`), what its columns are called (`result_names.rs`), where in the text the thing is that a plan stumbled over (`locate.rs`).
//!
//! Positions inside a statement's struct count characters from 1 in [`Parsed::text`]; add [`Parsed::offset`] for the whole text.

mod statement;

mod alter_materialized_view;
mod alter_pipeline;
mod alter_table;
mod create_index;
mod create_materialized_view;
mod create_pipeline;
mod create_secret;
mod create_source;
mod create_table;
mod cursor;
mod delete;
mod describe;
mod describe_source;
mod drop;
mod explain;
mod in_subquery;
mod insert;
mod merge;
mod query;
mod set;
mod show;
mod subscribe;
mod transaction;
mod truncate;
mod unsupported;
mod update;

mod column_def;
mod emit;
mod job_change;
mod object;
mod row_change;
mod watermark;
mod with_options;

mod average;
mod bytea;
mod date_bin;
mod dialect;
mod filter_first;
pub mod identifiers;
mod intervals;
mod literals;
mod locate;
pub mod metadata_columns;
mod nesting;
mod numeric_avg;
mod numeric_sum;
pub mod overflow;
mod plan_rewrite;
pub mod planner;
pub mod position;
mod reader;
mod renamed;
pub mod result_names;
pub mod set_aside;
mod split;
mod syntax_error;
mod template;
mod windows;
mod with_scopes;

#[cfg(test)]
mod tests;

use std::fmt;

pub use alter_materialized_view::AlterMaterializedView;
pub use alter_pipeline::AlterPipeline;
pub use alter_table::{AlterTable, NewColumn, TableChange};
pub use column_def::ColumnDef;
pub use create_index::CreateIndex;
pub use create_materialized_view::CreateMaterializedView;
pub use create_pipeline::{CreatePipeline, Expectation, OnViolation};
pub use create_secret::CreateSecret;
pub use create_source::CreateSource;
pub use create_table::CreateTable;
pub use cursor::{Close, CursorOf, Declare, Fetch, FetchCount};
pub use delete::Delete;
pub use describe::Describe;
pub use describe_source::DescribeSource;
pub use dialect::LakewireDialect;
pub use drop::{Dependents, Drop, Files};
pub use explain::{Explain, ExplainFormat};
pub use insert::Insert;
pub use job_change::JobChange;
pub use locate::locate;
pub use merge::{Merge, MergeAction};
pub use object::{DATABASE, ObjectKind, PUBLIC_SCHEMA, PlacedName, SYSTEM_SCHEMA};
pub use renamed::{Renames, renamed};
pub use row_change::{Addressed, ChangedTable, SetColumn};
pub use set::{Reset, Set, SetScope, SetValue};
pub use show::{Show, ShowCreate, ShowVariable};
pub use split::{StatementText, split};
pub use statement::Statement;
pub use subscribe::{From as SubscribeFrom, Subscribe};
pub use template::Template;
pub use transaction::{Deallocate, Isolation, TransactionMode};
pub use truncate::Truncate;
pub use update::Update;
pub use watermark::Watermark;

use crate::error::{Error, Result};
use crate::model::Name;
use reader::Reader;
use split::tokens;

/// A statement and the text it was made from.
#[derive(Clone, PartialEq)]
pub struct Parsed {
    /// As written, from the first token to the last: no semicolon, no comments around it. The text of a secret is not in it.
    pub text: String,
    /// Characters before `text` in the whole.
    pub offset: usize,
    pub statement: Statement,
}

/// All statements of a text. The first error is the answer, even if earlier statements are fine: none has run yet.
pub fn parse(sql: &str) -> Result<Vec<Parsed>> {
    split::split_tokens(sql)?.into_iter().map(parse_piece).collect()
}

/// A text that is one query, such as the catalog keeps.
pub fn parse_query(text: &str) -> Result<sqlparser::ast::Query> {
    match parse(text)?.into_iter().map(|parsed| parsed.statement).collect::<Vec<_>>().as_slice() {
        [Statement::Query(query)] => Ok(query.as_ref().clone()),
        _ => Err(Error::syntax("a single query is expected here")),
    }
}

/// The name of an object as a text that holds nothing else: `v`, `public.v`, `"V"`.
pub fn parse_name(text: &str) -> Result<Name> {
    let mut reader = Reader::new(text, tokens(text)?);
    let named = object::object_name(&mut reader)?;
    reader.expect_end()?;
    Ok(named.name)
}

fn parse_piece(piece: split::Piece) -> Result<Parsed> {
    let StatementText { text, offset } = piece.text;
    nesting::check_types(&piece.tokens)?;
    let mut reader = Reader::new(&text, piece.tokens);
    let statement = statement::parse(&mut reader).map_err(|error| error.shifted(offset))?;
    let text = match &statement {
        Statement::CreateSecret(secret) => secret.text_without_secret(),
        _ => text,
    };
    Ok(Parsed { text, offset, statement })
}

impl fmt::Debug for Parsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parsed").field("text", &self.text).field("offset", &self.offset).finish_non_exhaustive()
    }
}

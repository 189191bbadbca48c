//! Runs statements, one file each.

mod alter_materialized_view;
mod alter_pipeline;
mod alter_table;
mod create_index;
mod create_materialized_view;
mod create_pipeline;
mod create_secret;
mod create_source;
mod create_table;
pub mod delete;
mod describe;
mod describe_source;
mod drop;
mod explain;
mod flush;
pub mod insert;
pub mod merge;
pub mod query;
mod set;
pub mod show;
mod transaction;
mod truncate;
pub mod update;

use datafusion::scalar::ScalarValue;

use super::{Outcome, Prepared, Session};
use crate::error::Result;
use crate::sql::Statement;

pub async fn run(session: &Session, prepared: &Prepared, parameters: Vec<ScalarValue>) -> Result<Outcome> {
    let text = prepared.text();
    match prepared.statement() {
        Statement::Query(query) => query::run(session, prepared, query, &parameters).await,
        Statement::Insert(insert) => insert::run(session, insert, text, &parameters).await,
        Statement::Update(update) => update::run(session, update, text, &parameters).await,
        Statement::Delete(delete) => delete::run(session, delete, text, &parameters).await,
        Statement::Merge(merge) => merge::run(session, merge, text, &parameters).await,
        Statement::Truncate(truncate) => truncate::run(session, truncate).await,
        Statement::CreateSource(create) => create_source::run(session, create, text).await,
        Statement::CreateTable(create) => create_table::run(session, create, text).await,
        Statement::CreatePipeline(create) => create_pipeline::run(session, create, text).await,
        Statement::CreateMaterializedView(create) => create_materialized_view::run(session, create, text).await,
        Statement::CreateSecret(create) => create_secret::run(session, create).await,
        Statement::CreateIndex(create) => create_index::run(session, create, text).await,
        Statement::Drop(drop) => drop::run(session, drop).await,
        Statement::AlterTable(alter) => alter_table::run(session, alter).await,
        Statement::AlterPipeline(alter) => alter_pipeline::run(session, alter).await,
        Statement::AlterMaterializedView(alter) => alter_materialized_view::run(session, alter).await,
        Statement::Show(show) => show::list(session, *show).await,
        Statement::ShowCreate(show) => show::create(session, show).await,
        Statement::ShowVariable(show) => show::variable(session, show),
        Statement::Describe(describe) => describe::run(session, describe).await,
        Statement::DescribeSource(describe) => describe_source::run(session, describe).await,
        Statement::Explain(explain) => explain::run(session, explain, text).await,
        Statement::Flush => flush::run(session).await,
        Statement::Set(set) => set::set(session, set),
        Statement::Reset(reset) => set::reset(session, reset),
        Statement::Begin(modes) => transaction::begin(session, modes),
        Statement::Commit => Ok(transaction::commit(session)),
        Statement::Rollback => Ok(transaction::rollback(session)),
        Statement::Discard => Ok(set::discard_all(session)),
        Statement::Deallocate(deallocate) => Ok(set::deallocate(deallocate)),
    }
}

/// Runs work of several steps that must not stop between two of them. A statement's own future is dropped when its client cancels or
/// leaves; a task of its own goes on.
pub async fn to_the_end<T: Send + 'static>(work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(work).await?
}

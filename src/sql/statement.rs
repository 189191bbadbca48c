//! All statements there are, and who reads which.

use sqlparser::ast;
use sqlparser::tokenizer::Token;

use super::reader::Reader;
use super::*;
use crate::error::Result;

/// A statement we run. Closed: whoever runs statements matches all of them.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    CreateSource(CreateSource),
    CreateTable(CreateTable),
    CreatePipeline(CreatePipeline),
    CreateMaterializedView(CreateMaterializedView),
    CreateSecret(CreateSecret),
    CreateIndex(CreateIndex),
    Drop(Drop),
    AlterTable(AlterTable),
    AlterPipeline(AlterPipeline),
    AlterMaterializedView(AlterMaterializedView),
    Show(Show),
    ShowCreate(ShowCreate),
    ShowVariable(ShowVariable),
    Describe(Describe),
    DescribeSource(DescribeSource),
    Explain(Explain),
    Declare(Box<Declare>),
    Fetch(Fetch),
    Close(Close),
    Subscribe(Box<Subscribe>),
    Flush,
    Insert(Box<Insert>),
    Update(Box<Update>),
    Delete(Box<Delete>),
    Merge(Box<Merge>),
    Truncate(Truncate),
    /// `SELECT`, `VALUES`, `WITH`: reads only.
    Query(Box<ast::Query>),
    Set(Set),
    Reset(Reset),
    Begin(Vec<TransactionMode>),
    Commit,
    Rollback,
    /// `DISCARD ALL`
    Discard,
    Deallocate(Deallocate),
}

type Read = fn(&mut Reader) -> Result<Statement>;

/// The words a statement begins with, and who reads it from there. Where two match, the earlier counts.
const STATEMENTS: [(&[&str], Read); 46] = [
    (&["SELECT"], query),
    (&["WITH"], query),
    (&["VALUES"], query),
    (&["INSERT"], |r| insert::parse(r).map(|insert| Statement::Insert(Box::new(insert)))),
    (&["UPDATE"], |r| update::parse(r).map(|update| Statement::Update(Box::new(update)))),
    (&["DELETE"], |r| delete::parse(r).map(|delete| Statement::Delete(Box::new(delete)))),
    (&["MERGE"], |r| merge::parse(r).map(|merge| Statement::Merge(Box::new(merge)))),
    (&["TRUNCATE"], |r| truncate::parse(r).map(Statement::Truncate)),
    (&["CREATE", "SOURCE"], |r| create_source::parse(r).map(Statement::CreateSource)),
    (&["CREATE", "TABLE"], |r| create_table::parse(r).map(Statement::CreateTable)),
    (&["CREATE", "PIPELINE"], |r| create_pipeline::parse(r).map(Statement::CreatePipeline)),
    (&["CREATE", "OR", "REPLACE", "PIPELINE"], |r| create_pipeline::parse(r).map(Statement::CreatePipeline)),
    (&["CREATE", "MATERIALIZED", "VIEW"], create_view),
    (&["CREATE", "OR", "REPLACE", "MATERIALIZED", "VIEW"], create_view),
    (&["CREATE", "SECRET"], |r| create_secret::parse(r).map(Statement::CreateSecret)),
    (&["CREATE", "INDEX"], |r| create_index::parse(r).map(Statement::CreateIndex)),
    (&["CREATE", "UNIQUE", "INDEX"], |r| create_index::parse(r).map(Statement::CreateIndex)),
    (&["DROP", "SOURCE"], |r| drop::parse(r).map(Statement::Drop)),
    (&["DROP", "TABLE"], |r| drop::parse(r).map(Statement::Drop)),
    (&["DROP", "PIPELINE"], |r| drop::parse(r).map(Statement::Drop)),
    (&["DROP", "MATERIALIZED", "VIEW"], |r| drop::parse(r).map(Statement::Drop)),
    (&["DROP", "SECRET"], |r| drop::parse(r).map(Statement::Drop)),
    (&["DROP", "INDEX"], |r| drop::parse(r).map(Statement::Drop)),
    (&["ALTER", "TABLE"], |r| alter_table::parse(r).map(Statement::AlterTable)),
    (&["ALTER", "PIPELINE"], |r| alter_pipeline::parse(r).map(Statement::AlterPipeline)),
    (&["ALTER", "MATERIALIZED", "VIEW"], |r| alter_materialized_view::parse(r).map(Statement::AlterMaterializedView)),
    (&["SHOW", "CREATE"], |r| show::create(r).map(Statement::ShowCreate)),
    (&["SHOW"], show_list_or_variable),
    (&["DESCRIBE"], describe_relation_or_source),
    (&["DESC"], describe_relation_or_source),
    (&["SUBSCRIBE"], |r| subscribe::parse(r).map(|subscribe| Statement::Subscribe(Box::new(subscribe)))),
    (&["DECLARE"], cursor::declare),
    (&["FETCH"], cursor::fetch),
    (&["CLOSE"], cursor::close),
    (&["EXPLAIN"], |r| explain::parse(r).map(Statement::Explain)),
    (&["FLUSH"], |r| r.expect(&["FLUSH"]).map(|()| Statement::Flush)),
    (&["SET"], |r| set::parse(r).map(Statement::Set)),
    (&["RESET"], |r| set::reset(r).map(Statement::Reset)),
    (&["BEGIN"], transaction::begin),
    (&["START", "TRANSACTION"], transaction::begin),
    (&["COMMIT"], transaction::commit),
    (&["END"], transaction::commit),
    (&["ROLLBACK"], transaction::rollback),
    (&["ABORT"], transaction::rollback),
    (&["DISCARD"], transaction::discard),
    (&["DEALLOCATE"], transaction::deallocate),
];

/// A whole statement: nothing may follow it.
pub(super) fn parse(reader: &mut Reader) -> Result<Statement> {
    let statement = statement(reader)?;
    reader.expect_end()?;
    Ok(statement)
}

/// A statement at the reader's place, also within another.
pub(super) fn statement(reader: &mut Reader) -> Result<Statement> {
    if reader.peek_token(&Token::LParen) {
        return query(reader);
    }
    match STATEMENTS.iter().find(|(words, _)| reader.peek(words)) {
        Some((_, read)) => read(reader),
        None => Err(unsupported::error(reader)),
    }
}

fn query(reader: &mut Reader) -> Result<Statement> {
    let query = reader.query()?;
    emit::refuse(reader)?;
    Ok(Statement::Query(query))
}

fn create_view(reader: &mut Reader) -> Result<Statement> {
    create_materialized_view::parse(reader).map(Statement::CreateMaterializedView)
}

fn describe_relation_or_source(reader: &mut Reader) -> Result<Statement> {
    match describe_source::is_next(reader) {
        true => describe_source::parse(reader).map(Statement::DescribeSource),
        false => describe::parse(reader).map(Statement::Describe),
    }
}

fn show_list_or_variable(reader: &mut Reader) -> Result<Statement> {
    match show::list(reader) {
        Some(list) => Ok(Statement::Show(list)),
        None => show::variable(reader).map(Statement::ShowVariable),
    }
}

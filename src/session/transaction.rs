//! Transaction blocks. Reads may stand in one; what changes something commits by itself, and is refused there until it can be rolled back.

use crate::error::{Error, Result, SqlState};
use crate::sql::Statement;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    Idle,
    InTransaction,
    Failed,
}

#[derive(Default)]
pub struct Transaction {
    block: Block,
}

#[derive(Default, PartialEq, Eq)]
enum Block {
    #[default]
    None,
    Open,
    Failed,
}

/// What a statement is to a transaction block.
enum Role {
    Reads,
    Ends,
    Changes,
}

impl Transaction {
    pub fn status(&self) -> TransactionStatus {
        match self.block {
            Block::None => TransactionStatus::Idle,
            Block::Open => TransactionStatus::InTransaction,
            Block::Failed => TransactionStatus::Failed,
        }
    }

    /// Whether the statement may run now.
    pub fn check(&self, statement: &Statement) -> Result<()> {
        match (&self.block, role(statement)) {
            (Block::None, _) | (_, Role::Ends) | (Block::Open, Role::Reads) => Ok(()),
            (Block::Failed, _) => Err(Error::state("current transaction is aborted, commands ignored until end of transaction block")
                .with_state(SqlState::IN_FAILED_SQL_TRANSACTION)),
            (Block::Open, Role::Changes) => Err(Error::unsupported("a transaction block can only read yet")
                .with_detail("each statement that changes something is committed by itself and could not be rolled back")
                .with_hint("run it outside BEGIN … COMMIT")),
        }
    }

    /// Returns whether a block was open already.
    pub fn begin(&mut self) -> bool {
        match self.block {
            Block::None => {
                self.block = Block::Open;
                false
            }
            Block::Open | Block::Failed => true,
        }
    }

    /// Ends the block and tells what it was.
    pub fn end(&mut self) -> TransactionStatus {
        let status = self.status();
        self.block = Block::None;
        status
    }

    pub fn fail(&mut self) {
        if self.block == Block::Open {
            self.block = Block::Failed;
        }
    }
}

fn role(statement: &Statement) -> Role {
    match statement {
        Statement::Commit | Statement::Rollback => Role::Ends,
        Statement::Query(_)
        | Statement::Show(_)
        | Statement::ShowCreate(_)
        | Statement::ShowVariable(_)
        | Statement::Describe(_)
        | Statement::DescribeSource(_)
        | Statement::Explain(_)
        | Statement::Subscribe(_)
        | Statement::Declare(_)
        | Statement::Fetch(_)
        | Statement::Close(_)
        | Statement::Set(_)
        | Statement::Reset(_)
        | Statement::Begin(_)
        | Statement::Deallocate(_)
        | Statement::Flush => Role::Reads,
        _ => Role::Changes,
    }
}

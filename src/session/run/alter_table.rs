//! `ALTER TABLE [IF EXISTS] t ADD [COLUMN] [IF NOT EXISTS] c type, …`

use arrow::datatypes::Field;

use super::super::{Notice, Outcome, Session};
use crate::catalog::{Definition, ObjectKind};
use crate::error::{Error, Kind, Result, SqlState};
use crate::sql::{AlterTable, NewColumn, TableChange};

pub async fn run(session: &Session, alter: &AlterTable) -> Result<Outcome> {
    let flow = &session.services.flow;
    let catalog = flow.catalog.snapshot();
    let object = match catalog.expect_kind(ObjectKind::Table, &alter.name) {
        Ok(object) => object,
        Err(error) if alter.if_exists && error.kind() == Kind::Undefined => {
            session.notice(Notice::note(format!("relation \"{}\" does not exist, skipping", alter.name)));
            return Ok(Outcome::done("ALTER TABLE"));
        }
        Err(error) => return Err(error.at(alter.name_position)),
    };
    let Definition::Table(definition) = &object.definition else {
        return Err(Error::internal(format!("{} is not a table", object.as_ref())));
    };
    let columns = match &alter.change {
        TableChange::AddColumns(columns) => columns,
        TableChange::RenameTo(name) => return Err(Error::unsupported("ALTER TABLE … RENAME is not supported yet").at(name.position)),
    };
    let table = flow.lake.table(&definition.location)?;
    let head = table.refresh_head().await?;
    if head.version().is_none() && !definition.partition_by.is_empty() {
        return Err(Error::state(format!("table \"{}\" has no columns yet", alter.name))
            .with_hint("it takes them, the partition columns too, from what is inserted first"));
    }
    let fields = columns.iter().filter_map(|new| field(session, alter, new, head.schema()).transpose()).collect::<Result<Vec<_>>>()?;
    if !fields.is_empty() {
        table.evolve(&fields, &definition.partition_by).await?;
    }
    Ok(Outcome::done("ALTER TABLE"))
}

fn field(session: &Session, alter: &AlterTable, new: &NewColumn, table: &arrow::datatypes::Schema) -> Result<Option<Field>> {
    let column = &new.column;
    if table.field_with_name(column.name.as_str()).is_ok() {
        if new.if_not_exists {
            session.notice(Notice::note(format!("column \"{}\" of relation \"{}\" already exists, skipping", column.name, alter.name)));
            return Ok(None);
        }
        return Err(Error::duplicate(format!("column \"{}\" of relation \"{}\" already exists", column.name, alter.name))
            .with_state(SqlState::DUPLICATE_COLUMN)
            .at(column.position));
    }
    if column.not_null {
        return Err(Error::unsupported("a column that is added cannot be NOT NULL")
            .with_detail("the rows that are there have no value for it")
            .at(column.position));
    }
    column.data_type.check_storable(column.name.as_str()).map_err(|error| error.at(column.position))?;
    Ok(Some(column.data_type.to_field(column.name.as_str(), true)))
}

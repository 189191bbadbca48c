//! The answer to a statement sent by the simple protocol: text, as psql would show it.

use std::fmt;

use tokio_postgres::SimpleQueryMessage;

/// The rows of the last statement that had any. NULL is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Option<String>>>,
    /// What the last command tag counted.
    pub affected: u64,
    /// Whether the last statement had a result set, be it an empty one.
    pub is_result: bool,
}

impl Rows {
    pub fn from_messages(messages: Vec<SimpleQueryMessage>) -> Rows {
        let mut result = Rows::default();
        let mut in_result = false;
        for message in messages {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    result.columns = columns.iter().map(|column| column.name().to_string()).collect();
                    result.rows.clear();
                    in_result = true;
                }
                SimpleQueryMessage::Row(row) => {
                    result.rows.push((0..row.len()).map(|column| row.get(column).map(str::to_string)).collect());
                }
                SimpleQueryMessage::CommandComplete(count) => {
                    result.affected = count;
                    result.is_result = in_result;
                    in_result = false;
                }
                _ => {}
            }
        }
        result
    }

    /// The one value of the one row.
    pub fn value(&self) -> Option<&str> {
        assert_eq!((self.rows.len(), self.columns.len()), (1, 1), "not one value: {self:?}");
        self.rows[0][0].as_deref()
    }

    /// The one value, as a whole number; a sum over no rows is 0.
    pub fn number(&self) -> i64 {
        self.value().map_or(0, |text| text.parse().unwrap_or_else(|_| panic!("not a whole number: {text}")))
    }

    /// A column of all rows, by its name.
    pub fn column(&self, name: &str) -> Vec<Option<&str>> {
        let at = self.columns.iter().position(|column| column == name);
        let at = at.unwrap_or_else(|| panic!("no column {name} among {:?}", self.columns));
        self.rows.iter().map(|row| row[at].as_deref()).collect()
    }
}

/// An error as the client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub sqlstate: String,
    pub message: String,
    pub detail: Option<String>,
    pub hint: Option<String>,
    /// Characters from 1 in the text that was sent.
    pub position: Option<u32>,
}

impl Refusal {
    /// `None` where the connection broke instead of answering.
    pub fn from_error(error: &tokio_postgres::Error) -> Option<Refusal> {
        let told = error.as_db_error()?;
        let position = match told.position() {
            Some(tokio_postgres::error::ErrorPosition::Original(position)) => Some(*position),
            _ => None,
        };
        Some(Refusal {
            sqlstate: told.code().code().to_string(),
            message: told.message().to_string(),
            detail: told.detail().map(str::to_string),
            hint: told.hint().map(str::to_string),
            position,
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.sqlstate, self.message)?;
        if let Some(detail) = &self.detail {
            write!(f, "\nDETAIL: {detail}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nHINT: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

//! The extended protocol: Parse, Bind, Describe, Execute, Close, Sync. Answers gather in the buffer and are sent at Sync or
//! Flush, or when they are many: a look-up with a prepared statement costs one write.

use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::data::{NoData, ParameterDescription};
use pgwire::messages::extendedquery::{BindComplete, CloseComplete, ParseComplete, PortalSuspended};
use pgwire::messages::response::EmptyQueryResponse;

use super::connection::{Connection, Mode};
use super::description::{row_description, same_types};
use super::encode::Format;
use super::frontend::{self, Target};
use super::interrupt::Stop;
use super::parameters;
use super::portal::{Portal, PortalState, Statement};
use super::rows::{Rows, Sent};
use super::socket::protocol_error;
use crate::error::{Error, Result, SqlState};
use crate::model::SqlType;
use crate::session::{Outcome, Prepared};

/// What a client says that leaves a parameter's type to us: nothing, or `unknown`.
const OIDS_UNKNOWN: [u32; 2] = [0, 705];

impl Connection {
    pub(super) async fn parse(&mut self, body: &[u8]) -> Result<(), Stop> {
        let message = frontend::parse(body)?;
        if message.name.is_empty() {
            self.statements.remove("");
        }
        self.statements.check_free(message.name)?;
        let mut texts = self.session.split(message.text)?;
        if texts.len() > 1 {
            return Err(Error::syntax("cannot insert multiple commands into a prepared statement").into());
        }
        let statement = match texts.pop() {
            None => Statement { prepared: None, parameter_oids: vec![], offset: 0 },
            Some(text) => {
                let types = parameter_types(&message.type_oids)?;
                let session = self.session.clone();
                let work = Box::pin(async { session.prepare(&text.text, &types).await.map_err(|error| error.shifted(text.offset)) });
                let prepared = self.interrupts.run(&mut self.socket, work).await?;
                let parameter_oids = parameter_oids(&prepared, &message.type_oids);
                Statement { prepared: Some(prepared), parameter_oids, offset: text.offset }
            }
        };
        self.statements.insert(message.name, statement);
        self.socket.put(PgWireBackendMessage::ParseComplete(ParseComplete::new()))
    }

    pub(super) fn bind(&mut self, body: &[u8]) -> Result<(), Stop> {
        let message = frontend::bind(body)?;
        let statement = self.statements.get(message.statement)?;
        let expected = statement.parameter_oids.len();
        if message.parameters.len() != expected {
            let (name, given) = (message.statement, message.parameters.len());
            let text = format!("bind message supplies {given} parameters, but prepared statement \"{name}\" requires {expected}");
            return Err(protocol_error(&text).into());
        }
        let formats = frontend::spread_formats(&message.parameter_formats, expected, "parameter")?;
        let columns = statement.prepared.as_ref().and_then(|prepared| prepared.columns.as_ref());
        let result_formats = match columns {
            Some(columns) => frontend::spread_formats(&message.result_formats, columns.fields().len(), "result")?,
            // A statement without rows has no formats to disagree with.
            None => vec![],
        };
        let parameters = match &statement.prepared {
            Some(prepared) => parameters::decode_all(&message.parameters, &formats, &statement.parameter_oids, &prepared.parameters)?,
            None => vec![],
        };
        if message.portal.is_empty() {
            self.portals.remove("");
        }
        let portal = Portal { statement, formats: result_formats, state: PortalState::Bound(parameters) };
        self.portals.insert(message.portal, portal)?;
        self.socket.put(PgWireBackendMessage::BindComplete(BindComplete::new()))
    }

    pub(super) fn describe(&mut self, body: &[u8]) -> Result<(), Stop> {
        match frontend::target(body)? {
            Target::Statement(name) => {
                let statement = self.statements.get(name)?;
                let parameters = ParameterDescription::new(statement.parameter_oids.clone());
                self.socket.put(PgWireBackendMessage::ParameterDescription(parameters))?;
                let columns = statement.prepared.as_ref().and_then(|prepared| prepared.columns.as_ref());
                let formats = vec![Format::Text; columns.map_or(0, |columns| columns.fields().len())];
                self.put_description(&statement, &formats)
            }
            // A cursor is a portal too.
            Target::Portal(name) => match (self.portals.get(name), self.session.cursor_columns(name)) {
                (Ok(portal), _) => {
                    let (statement, formats) = (portal.statement.clone(), portal.formats.clone());
                    self.put_description(&statement, &formats)
                }
                (Err(_), Some(columns)) => {
                    let formats = vec![Format::Text; columns.fields().len()];
                    self.socket.put(row_description(&columns, &formats))
                }
                (Err(error), None) => Err(error.into()),
            },
        }
    }

    fn put_description(&mut self, statement: &Statement, formats: &[Format]) -> Result<(), Stop> {
        let columns = statement.prepared.as_ref().and_then(|prepared| prepared.columns.as_ref());
        self.socket.put(match columns {
            Some(columns) => row_description(columns, formats),
            None => PgWireBackendMessage::NoData(NoData::new()),
        })
    }

    pub(super) async fn execute(&mut self, body: &[u8]) -> Result<(), Stop> {
        let message = frontend::execute(body)?;
        let mut portal = self.portals.take(message.portal)?;
        let statement = portal.statement.clone();
        let Some(prepared) = &statement.prepared else {
            self.portals.put_back(message.portal, portal);
            return self.socket.put(PgWireBackendMessage::EmptyQueryResponse(EmptyQueryResponse::new()));
        };
        let state = std::mem::replace(&mut portal.state, PortalState::Done);
        let run = self.run_portal(state, prepared, &portal.formats, message.rows_max).await;
        portal.state = run.map_err(|stop| match stop {
            Stop::Failed(error) => Stop::Failed(error.shifted(statement.offset)),
            other => other,
        })?;
        self.portals.put_back(message.portal, portal);
        match self.socket.wants_flush() {
            true => self.interrupts.finish(&mut self.socket).await,
            false => Ok(()),
        }
    }

    /// Runs the portal on from where it is, and says where it is then.
    async fn run_portal(
        &mut self,
        state: PortalState,
        prepared: &Prepared,
        formats: &[Format],
        rows_max: Option<usize>,
    ) -> Result<PortalState, Stop> {
        let mut rows = match state {
            PortalState::Bound(parameters) => match self.run_prepared(prepared, parameters).await? {
                Outcome::Done { tag } => {
                    self.put_done(tag)?;
                    return Ok(PortalState::Done);
                }
                Outcome::Forget { tag, statements } => {
                    self.forget(tag, &statements)?;
                    return Ok(PortalState::Done);
                }
                Outcome::Rows { schema, rows, tag } => {
                    check_result_type(prepared, &schema)?;
                    Rows::new(rows, formats.to_vec(), tag)
                }
            },
            PortalState::Open(rows) => rows,
            PortalState::Exhausted(tag) => {
                self.put_complete(format!("{tag} 0"))?;
                return Ok(PortalState::Exhausted(tag));
            }
            PortalState::Done => return Err(Error::state("the portal has run and cannot be run again").into()),
        };
        match rows.send(&mut self.socket, &self.interrupts, rows_max).await? {
            Sent::All { rows: sent } => {
                self.put_complete(format!("{} {sent}", rows.tag))?;
                Ok(PortalState::Exhausted(rows.tag))
            }
            Sent::Limit => {
                self.put_notices()?;
                self.socket.put(PgWireBackendMessage::PortalSuspended(PortalSuspended::new()))?;
                Ok(PortalState::Open(rows))
            }
        }
    }

    pub(super) fn close(&mut self, body: &[u8]) -> Result<(), Stop> {
        match frontend::target(body)? {
            Target::Statement(name) => self.statements.remove(name),
            Target::Portal(name) => self.portals.remove(name),
        }
        self.socket.put(PgWireBackendMessage::CloseComplete(CloseComplete::new()))
    }

    pub(super) async fn sync(&mut self) -> Result<(), Stop> {
        self.mode = Mode::Answering;
        self.put_ready()?;
        self.interrupts.finish(&mut self.socket).await
    }
}

fn parameter_types(oids: &[u32]) -> Result<Vec<Option<SqlType>>> {
    let known = |(index, oid): (usize, &u32)| match SqlType::from_oid(*oid) {
        _ if OIDS_UNKNOWN.contains(oid) => Ok(None),
        Some(sql_type) => Ok(Some(sql_type)),
        None => Err(Error::unsupported(format!("parameter ${} has a type that is not supported", index + 1))
            .with_detail(format!("its type OID is {oid}"))
            .with_hint("send it as text, and cast it in the statement")),
    };
    oids.iter().enumerate().map(known).collect()
}

/// The client keeps the types it declared; we say those it left open.
fn parameter_oids(prepared: &Prepared, declared: &[u32]) -> Vec<u32> {
    let oid = |(index, sql_type): (usize, &SqlType)| match declared.get(index) {
        Some(oid) if !OIDS_UNKNOWN.contains(oid) => *oid,
        _ => sql_type.oid(),
    };
    prepared.parameters.iter().enumerate().map(oid).collect()
}

/// The client was told of other columns; it would misread these.
fn check_result_type(prepared: &Prepared, now: &arrow::datatypes::Schema) -> Result<()> {
    match &prepared.columns {
        Some(then) if same_types(then, now) => Ok(()),
        _ => Err(Error::unsupported("cached plan must not change result type")
            .with_state(SqlState::FEATURE_NOT_SUPPORTED)
            .with_hint("a table has changed since the statement was prepared; prepare it again")),
    }
}

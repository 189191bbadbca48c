//! The first packets of a connection: encryption is declined, a cancel request is done, a client is greeted.

use bytes::{Buf, BytesMut};
use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::{ReadyForQuery, SslResponse, TransactionStatus};
use pgwire::messages::startup::{Authentication, BackendKeyData, NegotiateProtocolVersion, ParameterStatus, SecretKey, Startup};
use pgwire::messages::{DecodeContext, Message, ProtocolVersion};

use super::cancel::{CancelKey, CancelKeys};
use super::failure::warning_message;
use super::interrupt::Stop;
use super::socket::{Socket, protocol_error};
use crate::error::{Error, Result, SqlState};
use crate::model::name::{quote, quote_literal};
use crate::session::Session;

const REQUEST_CANCEL: u32 = 80_877_102;
const REQUEST_SSL: u32 = 80_877_103;
const REQUEST_GSS: u32 = 80_877_104;
const PROTOCOL_MAJOR: u16 = 3;
const PROTOCOL_MINOR_MAX: u16 = 0;

/// Clients choose their SQL by this version, so it is one whose SQL we speak, written as PostgreSQL writes it.
const SERVER_VERSION: &str = "15.10";

/// Who knocks, and for what.
#[derive(Debug)]
pub struct Greeting {
    pub user: String,
    pub database: String,
    /// Session variables to set, as in `SET name TO value`.
    variables: Vec<(String, String)>,
    protocol_minor: u16,
    protocol_options: Vec<String>,
}

/// Reads packets until the client has introduced itself. `Gone` if it had only a cancel request.
pub async fn receive_greeting(socket: &mut Socket, keys: &CancelKeys) -> Result<Greeting, Stop> {
    loop {
        let packet = socket.receive_startup_packet().await?;
        match (&packet[4..8]).get_u32() {
            REQUEST_SSL | REQUEST_GSS => {
                // 'N' declines either.
                socket.put(PgWireBackendMessage::SslResponse(SslResponse::Refuse))?;
                socket.flush().await?;
            }
            REQUEST_CANCEL => {
                if let (16, mut key) = (packet.len(), &packet[8..]) {
                    keys.cancel(CancelKey { process: key.get_i32(), secret: key.get_i32() });
                }
                return Err(Stop::Gone);
            }
            _ => return read_greeting(packet).map_err(Stop::Fatal),
        }
    }
}

/// Lets the client in: it is told who we are, and that it may ask.
pub async fn welcome(socket: &mut Socket, greeting: &Greeting, session: &Session, key: CancelKey) -> Result<(), Stop> {
    if greeting.protocol_minor > PROTOCOL_MINOR_MAX || !greeting.protocol_options.is_empty() {
        let answer = NegotiateProtocolVersion::new(PROTOCOL_MINOR_MAX as i32, greeting.protocol_options.clone());
        socket.put(PgWireBackendMessage::NegotiateProtocolVersion(answer))?;
    }
    socket.put(PgWireBackendMessage::Authentication(Authentication::Ok))?;
    let warnings = set_variables(session, &greeting.variables).await;
    for (name, value) in parameters(greeting, session) {
        socket.put(PgWireBackendMessage::ParameterStatus(ParameterStatus::new(name, value)))?;
    }
    let key = BackendKeyData::new(key.process, SecretKey::I32(key.secret));
    socket.put(PgWireBackendMessage::BackendKeyData(key))?;
    for warning in &warnings {
        socket.put(warning_message(warning))?;
    }
    socket.put(PgWireBackendMessage::ReadyForQuery(ReadyForQuery::new(TransactionStatus::Idle)))?;
    Ok(socket.flush().await?)
}

fn read_greeting(mut packet: BytesMut) -> Result<Greeting> {
    let major = (&packet[4..6]).get_u16();
    let minor = (&packet[6..8]).get_u16();
    if major != PROTOCOL_MAJOR {
        return Err(Error::unsupported(format!("unsupported frontend protocol {major}.{minor}: server supports 3.0")));
    }
    let context = DecodeContext::new(ProtocolVersion::PROTOCOL3_0);
    let startup = Startup::decode(&mut packet, &context).ok().flatten();
    let mut parameters = startup.ok_or_else(|| protocol_error("invalid startup packet layout"))?.parameters;
    let user = parameters
        .remove("user")
        .filter(|user| !user.is_empty())
        .ok_or_else(|| Error::invalid("no PostgreSQL user name specified in startup packet").with_state(SqlState::INVALID_AUTHORIZATION))?;
    let database = parameters.remove("database").filter(|database| !database.is_empty()).unwrap_or_else(|| user.clone());
    if parameters.remove("replication").is_some_and(|value| !matches!(value.as_str(), "false" | "off" | "no" | "0")) {
        return Err(Error::unsupported("replication connections are not supported"));
    }
    let mut variables = command_line_variables(&parameters.remove("options").unwrap_or_default())?;
    let (protocol_options, named): (Vec<_>, Vec<_>) = parameters.into_iter().partition(|(name, _)| name.starts_with("_pq_."));
    variables.extend(named);
    let protocol_options = protocol_options.into_iter().map(|(name, _)| name).collect();
    Ok(Greeting { user, database, variables, protocol_minor: minor, protocol_options })
}

/// `-c name=value` and `--name=value`, a backslash before a space that belongs to a value.
fn command_line_variables(options: &str) -> Result<Vec<(String, String)>> {
    let mut words = split_words(options).into_iter();
    let mut variables = Vec::new();
    while let Some(word) = words.next() {
        let assignment = match (word.strip_prefix("--"), word.strip_prefix("-c")) {
            (Some(long), _) => Some(long.replace('-', "_")),
            (None, Some("")) => words.next(),
            (None, Some(joined)) => Some(joined.to_string()),
            (None, None) => None,
        };
        let variable = assignment.as_deref().and_then(|assignment| assignment.split_once('='));
        let (name, value) = variable.ok_or_else(|| Error::invalid(format!("invalid command-line argument for server process: {word}")))?;
        variables.push((name.to_string(), value.to_string()));
    }
    Ok(variables)
}

fn split_words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => words.last_mut().expect("there is always a word").extend(characters.next()),
            space if space.is_whitespace() => words.push(String::new()),
            other => words.last_mut().expect("there is always a word").push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A variable that the session refuses is a warning: drivers send some that only PostgreSQL has a use for.
async fn set_variables(session: &Session, variables: &[(String, String)]) -> Vec<Error> {
    let mut warnings = Vec::new();
    for (name, value) in variables {
        let text = format!("SET {} TO {}", variable_name(name), quote_literal(value));
        let set = async { session.execute(&session.prepare(&text, &[]).await?, vec![]).await };
        if let Err(error) = set.await {
            warnings.push(Error::new(error.kind(), format!("{name}: {}", error.message())).with_state(error.sqlstate()));
        }
    }
    warnings
}

/// Variables have no case (`TimeZone`, `DateStyle`), so a plain name stays without quotes.
fn variable_name(name: &str) -> String {
    match name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')) {
        true => name.to_string(),
        false => quote(name),
    }
}

/// What is reported at start-up: the session's word, and ours where it has none.
fn parameters(greeting: &Greeting, session: &Session) -> Vec<(String, String)> {
    let ours = [
        ("server_version", SERVER_VERSION),
        ("server_encoding", "UTF8"),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO, MDY"),
        ("IntervalStyle", "postgres"),
        ("TimeZone", "UTC"),
        ("integer_datetimes", "on"),
        ("standard_conforming_strings", "on"),
        ("is_superuser", "on"),
        ("session_authorization", greeting.user.as_str()),
    ];
    let theirs = session.parameters();
    let missing = ours.iter().filter(|(name, _)| !theirs.iter().any(|(given, _)| given == name));
    let missing = missing.map(|(name, value)| (name.to_string(), value.to_string())).collect::<Vec<_>>();
    theirs.iter().map(|(name, value)| (name.to_string(), value.clone())).chain(missing).collect()
}

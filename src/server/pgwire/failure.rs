//! Errors and notices as the client gets them.

use pgwire::messages::PgWireBackendMessage;
use pgwire::messages::response::{ErrorResponse, NoticeResponse};

use crate::error::{Error, Kind, SqlState};
use crate::model::id::unique_token;
use crate::session::Notice;

const ERROR_ID_CHARACTERS: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    Fatal,
}

/// The message for an error. One that is our own fault is logged under an id that the client can quote.
pub fn error_message(severity: Severity, error: &Error) -> PgWireBackendMessage {
    let severity = match severity {
        Severity::Error => "ERROR",
        Severity::Fatal => "FATAL",
    };
    let mut fields = head(severity, error.sqlstate(), error.message());
    let mut add = |code: u8, value: Option<String>| fields.extend(value.map(|value| (code, value)));
    let hint = match error.kind() {
        Kind::Internal => Some(log_internal(error)),
        _ => error.hint().map(str::to_string),
    };
    add(b'D', detail(error));
    add(b'H', hint);
    add(b'P', error.position().map(|position| position.to_string()));
    PgWireBackendMessage::ErrorResponse(ErrorResponse::new(fields))
}

pub fn notice_message(notice: &Notice) -> PgWireBackendMessage {
    PgWireBackendMessage::NoticeResponse(NoticeResponse::new(head(notice.severity, notice_state(notice.severity), &notice.message)))
}

pub fn warning_message(error: &Error) -> PgWireBackendMessage {
    PgWireBackendMessage::NoticeResponse(NoticeResponse::new(head("WARNING", error.sqlstate(), error.message())))
}

fn head(severity: &str, state: SqlState, message: &str) -> Vec<(u8, String)> {
    // 'V' is the severity that is never translated.
    [(b'S', severity), (b'V', severity), (b'C', state.as_str()), (b'M', message)]
        .map(|(code, value)| (code, value.replace('\0', " ")))
        .to_vec()
}

fn notice_state(severity: &str) -> SqlState {
    match severity {
        "WARNING" => SqlState::WARNING,
        _ => SqlState::SUCCESSFUL_COMPLETION,
    }
}

/// The causes of an outside failure are what the user needs to mend it.
fn detail(error: &Error) -> Option<String> {
    let detail = error.detail().map(str::to_string);
    match error.kind() {
        Kind::Unavailable => detail.or_else(|| std::error::Error::source(error).map(|cause| cause.to_string())),
        _ => detail,
    }
    .map(|text| text.replace('\0', " "))
}

fn log_internal(error: &Error) -> String {
    let token = unique_token();
    let id = &token[..ERROR_ID_CHARACTERS];
    tracing::error!(error_id = id, ?error, "internal error");
    format!("this is a bug; the server's log has more under the id {id}")
}

//! The client's messages, read strictly: what is too short, too long or not UTF-8 is refused, never guessed.

use super::encode::Format;
use super::socket::protocol_error;
use crate::error::{Error, Result, SqlState};

pub const QUERY: u8 = b'Q';
pub const PARSE: u8 = b'P';
pub const BIND: u8 = b'B';
pub const DESCRIBE: u8 = b'D';
pub const EXECUTE: u8 = b'E';
pub const CLOSE: u8 = b'C';
pub const FLUSH: u8 = b'H';
pub const SYNC: u8 = b'S';
pub const TERMINATE: u8 = b'X';
pub const FUNCTION_CALL: u8 = b'F';
pub const COPY_DATA: u8 = b'd';
pub const COPY_DONE: u8 = b'c';
pub const COPY_FAIL: u8 = b'f';

pub struct Parse<'a> {
    pub name: &'a str,
    pub text: &'a str,
    /// 0 where the client leaves the type to us.
    pub type_oids: Vec<u32>,
}

pub struct Bind<'a> {
    pub portal: &'a str,
    pub statement: &'a str,
    pub parameter_formats: Vec<Format>,
    pub parameters: Vec<Option<&'a [u8]>>,
    pub result_formats: Vec<Format>,
}

pub struct Execute<'a> {
    pub portal: &'a str,
    /// `None`: all.
    pub rows_max: Option<usize>,
}

/// What Describe and Close are about.
pub enum Target<'a> {
    Statement(&'a str),
    Portal(&'a str),
}

pub fn query(body: &[u8]) -> Result<&str> {
    let mut body = Body(body);
    let text = body.text()?;
    body.end()?;
    Ok(text)
}

pub fn parse(body: &[u8]) -> Result<Parse<'_>> {
    let mut body = Body(body);
    let (name, text) = (body.text()?, body.text()?);
    let type_oids = (0..body.u16()?).map(|_| body.u32()).collect::<Result<_>>()?;
    body.end()?;
    Ok(Parse { name, text, type_oids })
}

pub fn bind(body: &[u8]) -> Result<Bind<'_>> {
    let mut body = Body(body);
    let (portal, statement) = (body.text()?, body.text()?);
    let parameter_formats = body.formats()?;
    let parameters = (0..body.u16()?).map(|_| body.value()).collect::<Result<_>>()?;
    let result_formats = body.formats()?;
    body.end()?;
    Ok(Bind { portal, statement, parameter_formats, parameters, result_formats })
}

pub fn execute(body: &[u8]) -> Result<Execute<'_>> {
    let mut body = Body(body);
    let portal = body.text()?;
    let rows_max = body.u32()? as i32;
    body.end()?;
    Ok(Execute { portal, rows_max: (rows_max > 0).then_some(rows_max as usize) })
}

pub fn target(body: &[u8]) -> Result<Target<'_>> {
    let mut body = Body(body);
    let (kind, name) = (body.take(1)?[0], body.text()?);
    body.end()?;
    match kind {
        b'S' => Ok(Target::Statement(name)),
        b'P' => Ok(Target::Portal(name)),
        other => Err(protocol_error(&format!("invalid target of a describe or close message: {other}"))),
    }
}

/// The format of each of `count` values, of which the client sent none (all text), one (for all) or one for each.
pub fn spread_formats(sent: &[Format], count: usize, what: &str) -> Result<Vec<Format>> {
    match sent {
        [] => Ok(vec![Format::Text; count]),
        [one] => Ok(vec![*one; count]),
        each if each.len() == count => Ok(each.to_vec()),
        other => Err(protocol_error(&format!("bind message has {} {what} formats but {count} {what}s", other.len()))),
    }
}

/// The part of a message that is not read yet.
struct Body<'a>(&'a [u8]);

impl<'a> Body<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(|| protocol_error("insufficient data left in message"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn text(&mut self) -> Result<&'a str> {
        let length = memchr::memchr(0, self.0).ok_or_else(|| protocol_error("invalid string in message"))?;
        let text = self.take(length)?;
        self.take(1)?;
        utf8(text)
    }

    fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.take(2)?.try_into().expect("two bytes were taken")))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.take(4)?.try_into().expect("four bytes were taken")))
    }

    fn value(&mut self) -> Result<Option<&'a [u8]>> {
        match self.u32()? as i32 {
            -1 => Ok(None),
            length if length >= 0 => self.take(length as usize).map(Some),
            _ => Err(protocol_error("invalid length of a parameter")),
        }
    }

    fn formats(&mut self) -> Result<Vec<Format>> {
        let format = |body: &mut Body<'a>| match body.u16()? {
            0 => Ok(Format::Text),
            1 => Ok(Format::Binary),
            other => Err(Error::invalid(format!("unsupported format code: {other}"))),
        };
        (0..self.u16()?).map(|_| format(self)).collect()
    }

    fn end(&self) -> Result<()> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(protocol_error("invalid message format")),
        }
    }
}

pub fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| {
        Error::data("invalid byte sequence for encoding \"UTF8\"")
            .with_state(SqlState::CHARACTER_NOT_IN_REPERTOIRE)
            .with_detail(format!("after {} bytes", error.valid_up_to()))
    })
}

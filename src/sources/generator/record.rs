//! One record as the generator makes it: its bytes, its key, and what it is, for those who count.

use super::nexmark::Table;

/// Its buffers are used again for the next record.
#[derive(Debug, Default)]
pub struct Record {
    /// Never empty, without line breaks, at most `RECORD_BYTES_MAX`.
    pub payload: Vec<u8>,
    pub key: Vec<u8>,
}

/// No record and no key is longer, whatever the dataset.
pub const RECORD_BYTES_MAX: usize = 2048;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// `bytes_in` is 0 for types that have no such field.
    Event {
        kind: EventKind,
        bytes_in: u64,
    },
    /// The newest state of the entity that the key names.
    Upsert(EntityKind),
    /// The entity that the key names is gone.
    Tombstone(EntityKind),
    /// One more row of a table.
    Row(Table),
    Broken(Breakage),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    Connect,
    Disconnect,
    Dns,
    Auth,
    Security,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityKind {
    Organisation,
    User,
    Device,
}

/// How a record is broken. Each way makes it unreadable as a JSON object, whichever of its fields are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breakage {
    CutOff,
    NotJson,
    NotUtf8,
    NotAnObject,
}

impl EventKind {
    pub fn as_str(self) -> &'static str {
        match self {
            EventKind::Connect => "connect",
            EventKind::Disconnect => "disconnect",
            EventKind::Dns => "dns",
            EventKind::Auth => "auth",
            EventKind::Security => "security",
        }
    }
}

impl EntityKind {
    pub fn as_str(self) -> &'static str {
        match self {
            EntityKind::Organisation => "organisation",
            EntityKind::User => "user",
            EntityKind::Device => "device",
        }
    }
}

impl Breakage {
    pub fn as_str(self) -> &'static str {
        match self {
            Breakage::CutOff => "cut_off",
            Breakage::NotJson => "not_json",
            Breakage::NotUtf8 => "not_utf8",
            Breakage::NotAnObject => "not_an_object",
        }
    }
}

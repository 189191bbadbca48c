//! What a source hands out as one record: its text, unpacked if it is gzip and checked to be UTF-8.

use std::io::{ErrorKind, Read};

use arrow::array::{Array, BinaryArray};
use flate2::bufread::MultiGzDecoder;

use super::flaw::Flaw;

/// A longer payload is rejected, and so is a longer record within one that was unpacked.
pub const RECORD_BYTES_MAX: usize = 8 << 20;
/// A gzip payload that holds more is rejected.
pub const UNPACKED_BYTES_MAX: usize = 64 << 20;
/// What is kept between payloads of the room that one was unpacked in.
const SPARE_BYTES_MAX: usize = 1 << 20;

/// RFC 1952 §2.3.1. No JSON begins so.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The payloads of a batch as text. Checked as a whole, for one long check is cheaper than many short ones.
pub struct Payloads<'a> {
    array: &'a BinaryArray,
    /// The bytes of all payloads, if they are UTF-8.
    text: Option<&'a str>,
}

impl<'a> Payloads<'a> {
    pub fn new(array: &'a BinaryArray) -> Payloads<'a> {
        let ends = array.value_offsets();
        let bytes = &array.value_data()[ends[0] as usize..ends[array.len()] as usize];
        Payloads { array, text: std::str::from_utf8(bytes).ok() }
    }

    /// The text of one. What is packed is unpacked into `room`.
    pub fn text<'r>(&'r self, index: usize, room: &'r mut Vec<u8>) -> Result<&'r str, Flaw> {
        let ends = self.array.value_offsets();
        let [from, to] = [ends[index], ends[index + 1]].map(|end| (end - ends[0]) as usize);
        if to - from > RECORD_BYTES_MAX {
            return Err(Flaw::TooLong { bytes: to - from });
        }
        // A payload that ends within a character is good as a part of the whole, but not by itself.
        if let Some(text) = self.text.and_then(|text| text.get(from..to)) {
            return Ok(text);
        }
        let bytes = match self.array.value(index) {
            packed if packed.starts_with(&GZIP_MAGIC) => unpack(packed, room)?,
            bytes => bytes,
        };
        std::str::from_utf8(bytes).map_err(|error| Flaw::InvalidUtf8 { at: error.valid_up_to() })
    }
}

/// All members of a gzip file, one after the other. Its check sums are checked.
fn unpack<'r>(packed: &[u8], room: &'r mut Vec<u8>) -> Result<&'r [u8], Flaw> {
    room.clear();
    room.shrink_to(SPARE_BYTES_MAX);
    let unpacked = MultiGzDecoder::new(packed).take(UNPACKED_BYTES_MAX as u64 + 1).read_to_end(room);
    match unpacked {
        Ok(bytes) if bytes > UNPACKED_BYTES_MAX => Err(Flaw::UnpacksToTooMuch),
        Ok(_) => Ok(room),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(Flaw::Gzip("it is cut off")),
        Err(_) => Err(Flaw::Gzip("it is damaged")),
    }
}

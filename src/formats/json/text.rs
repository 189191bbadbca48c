//! JSON strings: where they end, and what their escapes mean.

use std::borrow::Cow;

use super::flaw::Flaw;

/// A string that was found good.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    /// What stands between the quotes.
    pub raw: &'a str,
    /// `raw` has at least one backslash.
    pub escaped: bool,
}

impl<'a> Text<'a> {
    pub fn value(&self) -> Cow<'a, str> {
        if !self.escaped {
            return Cow::Borrowed(self.raw);
        }
        let mut value = Vec::with_capacity(self.raw.len());
        unescape(self.raw.as_bytes(), &mut value);
        Cow::Owned(String::from_utf8(value).expect("escapes are cut out of a text between characters"))
    }
}

/// The place of the closing quote of a string whose inside begins at `at`, and whether it has escapes.
pub fn end(bytes: &[u8], mut at: usize) -> Result<(usize, bool), Flaw> {
    let mut escaped = false;
    loop {
        at = plain_end(bytes, at);
        match bytes.get(at) {
            Some(b'"') => return Ok((at, escaped)),
            Some(b'\\') => {
                escaped = true;
                at += escape_len(&bytes[at..]).ok_or(Flaw::BadEscape { at })?;
            }
            Some(_) => return Err(Flaw::ControlCharacter { at }),
            None => return Err(Flaw::Malformed { expected: "the end of a string", at }),
        }
    }
}

/// The first quote, backslash or control character from `at` on; the end of `bytes` if there is none.
#[inline]
pub fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<LANES>()) {
        let plain = plain_len(chunk);
        at += plain;
        if plain < LANES {
            return at;
        }
    }
    at + bytes[at..].iter().take_while(|byte| !is_special(**byte)).count()
}

/// Appends the plain bytes from `at` on to `out`, and says where they end: `plain_end` and a copy in one.
#[inline]
pub fn copy_plain(bytes: &[u8], mut at: usize, out: &mut Vec<u8>) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<LANES>()) {
        // The whole chunk and then less of it: a copy of a length that is known is a move.
        let len = out.len();
        out.extend_from_slice(chunk);
        let plain = plain_len(chunk);
        at += plain;
        if plain < LANES {
            out.truncate(len + plain);
            return at;
        }
    }
    let end = plain_end(bytes, at);
    out.extend_from_slice(&bytes[at..end]);
    end
}

const LANES: usize = 16;

/// How many bytes of the chunk are plain before the first that is not.
#[inline(always)]
fn plain_len(chunk: &[u8; LANES]) -> usize {
    let word = u128::from_le_bytes(*chunk);
    let marks = special_marks(word as u64) as u128 | (special_marks((word >> 64) as u64) as u128) << 64;
    marks.trailing_zeros() as usize / 8
}

/// Sets the high bit of each byte that is not plain (S. E. Anderson, Bit Twiddling Hacks, "hasless"). A borrow can only mark bytes behind a true
/// mark, and the first one counts.
#[inline(always)]
fn special_marks(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGHS: u64 = u64::from_le_bytes([0x80; 8]);
    let (quote, backslash) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
    let below_space = word.wrapping_sub(ONES * b' ' as u64) & !word;
    (quote.wrapping_sub(ONES) & !quote | backslash.wrapping_sub(ONES) & !backslash | below_space) & HIGHS
}

fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..b' ')
}

/// Appends what `raw`, whose escapes were found good, stands for.
pub fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let (character, len) = escape(&rest[at..]).expect("the escapes were checked when the string was scanned");
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = &rest[at + len..];
    }
    out.extend_from_slice(rest);
}

fn escape_len(bytes: &[u8]) -> Option<usize> {
    escape(bytes).map(|(_, len)| len)
}

/// The character that the escape at the start of `bytes` stands for, and the bytes it takes. `None` for half a surrogate pair.
fn escape(bytes: &[u8]) -> Option<(char, usize)> {
    let character = match bytes.get(1)? {
        byte @ (b'"' | b'\\' | b'/') => *byte as char,
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(bytes),
        _ => return None,
    };
    Some((character, 2))
}

fn unicode_escape(bytes: &[u8]) -> Option<(char, usize)> {
    let first = code_unit(bytes)?;
    match first {
        0xD800..0xDC00 => {
            let second = code_unit(bytes.get(6..)?).filter(|second| (0xDC00..0xE000).contains(second))?;
            let character = char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))?;
            Some((character, 12))
        }
        _ => Some((char::from_u32(first)?, 6)),
    }
}

/// The UTF-16 unit that `\uXXXX` at the start of `bytes` names.
fn code_unit(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.first_chunk::<6>()?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | (*digit as char).to_digit(16)?))
}

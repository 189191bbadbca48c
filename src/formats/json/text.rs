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
        let mut value = String::with_capacity(self.raw.len());
        unescape(self.raw, &mut value);
        Cow::Owned(value)
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

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The first quote, backslash or control character from `at` on; the end of `bytes` if there is none. Eight bytes at a time
/// (S. E. Anderson, Bit Twiddling Hacks, "hasless"): a borrow can only mark bytes behind a true mark, and the first one counts.
#[inline]
pub fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * b'"' as u64);
        let backslash = word ^ (ONES * b'\\' as u64);
        let marks = (quote.wrapping_sub(ONES) & !quote)
            | (backslash.wrapping_sub(ONES) & !backslash)
            | (word.wrapping_sub(ONES * b' ' as u64) & !word);
        if marks & HIGHS != 0 {
            return at + (marks & HIGHS).trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)) {
        at += 1;
    }
    at
}

/// Appends what `raw`, whose escapes were found good, stands for.
pub fn unescape(raw: &str, out: &mut String) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let (character, len) = escape(&rest.as_bytes()[at..]).expect("the escapes were checked when the string was scanned");
        out.push(character);
        rest = &rest[at + len..];
    }
    out.push_str(rest);
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

//! Walks over JSON text: where each token ends, and where the text stops being JSON (RFC 8259, strictly).

use super::flaw::Flaw;
use super::text::{self, Text};

/// How deep objects and arrays may stand in each other; the record itself is the first level. What stands deeper the operators on json
/// values could not read.
pub const DEPTH_MAX: usize = 200;

/// A place in the text of one record. Cheap to copy, so a look ahead is a copy that is dropped.
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    text: &'a str,
    pub at: usize,
    /// The objects and arrays that are open here.
    depth: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of `text`, behind a byte order mark and white space.
    pub fn new(text: &'a str) -> Cursor<'a> {
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        let mut cursor = Cursor { text, at, depth: 0 };
        cursor.skip_space();
        cursor
    }

    #[inline]
    pub fn text(&self) -> &'a str {
        self.text
    }

    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The byte here; 0, which JSON has nowhere, at the end.
    #[inline]
    pub fn peek(&self) -> u8 {
        self.bytes().get(self.at).copied().unwrap_or(0)
    }

    /// What was passed since `start`.
    pub fn since(&self, start: usize) -> &'a str {
        &self.text[start..self.at]
    }

    #[inline]
    pub fn skip_space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    /// Passes the `{` or `[` here.
    #[inline]
    pub fn enter(&mut self) -> Result<(), Flaw> {
        if self.depth == DEPTH_MAX {
            return Err(Flaw::TooDeep { at: self.at });
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Passes the `}` or `]` here.
    #[inline]
    pub fn leave(&mut self) {
        self.depth -= 1;
        self.at += 1;
    }

    /// Passes the next key of an object with all up to its value, or comes to stand before `}`.
    pub fn next_key(&mut self, behind: Behind) -> Result<Option<Text<'a>>, Flaw> {
        self.skip_space();
        match (self.peek(), behind) {
            (b'}', _) => return Ok(None),
            (b'"', Behind::Opening) => {}
            (b',', Behind::Member) => {
                self.at += 1;
                self.skip_space();
            }
            (_, Behind::Opening) => return Err(self.expected("a field name or a closing brace")),
            (_, Behind::Member) => return Err(self.expected("a comma or a closing brace")),
        }
        self.key().map(Some)
    }

    /// Comes to stand at the next element of an array, or before `]`.
    pub fn next_element(&mut self, behind: Behind) -> Result<Option<()>, Flaw> {
        self.skip_space();
        match (self.peek(), behind) {
            (b']', _) => return Ok(None),
            (_, Behind::Opening) => {}
            (b',', Behind::Member) => {
                self.at += 1;
                self.skip_space();
            }
            (_, Behind::Member) => return Err(self.expected("a comma or a closing bracket")),
        }
        Ok(Some(()))
    }

    fn key(&mut self) -> Result<Text<'a>, Flaw> {
        if self.peek() != b'"' {
            return Err(self.expected("a field name"));
        }
        let key = self.string()?;
        self.skip_space();
        if self.peek() != b':' {
            return Err(self.expected("a colon"));
        }
        self.at += 1;
        self.skip_space();
        Ok(key)
    }

    /// Passes the string that begins here.
    pub fn string(&mut self) -> Result<Text<'a>, Flaw> {
        let start = self.at + 1;
        let (end, escaped) = text::end(self.bytes(), start)?;
        self.at = end + 1;
        Ok(Text { raw: &self.text[start..end], escaped })
    }

    /// Passes the number that begins here.
    pub fn number(&mut self) -> Result<&'a str, Flaw> {
        let start = self.at;
        if self.peek() == b'-' {
            self.at += 1;
        }
        match self.peek() {
            b'0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(self.since(start))
    }

    fn digits(&mut self) -> Result<(), Flaw> {
        if !self.peek().is_ascii_digit() {
            return Err(self.expected("a digit"));
        }
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }

    /// Passes `true`, `false` or `null`.
    pub fn word(&mut self, word: &'static str) -> Result<(), Flaw> {
        if !self.is_at(word) {
            return Err(self.expected("a value"));
        }
        self.at += word.len();
        Ok(())
    }

    #[inline]
    pub fn is_at(&self, word: &str) -> bool {
        self.bytes()[self.at..].starts_with(word.as_bytes())
    }

    /// Passes the value that begins here, whatever it is.
    pub fn skip_value(&mut self) -> Result<(), Flaw> {
        match self.peek() {
            b'"' => text::end(self.bytes(), self.at + 1).map(|(end, _)| self.at = end + 1),
            b'{' => self.skip_object(),
            b'[' => self.skip_array(),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'-' | b'0'..=b'9' => self.number().map(|_| ()),
            _ => Err(self.expected("a value")),
        }
    }

    fn skip_object(&mut self) -> Result<(), Flaw> {
        self.enter()?;
        let mut behind = Behind::Opening;
        while self.next_key(behind)?.is_some() {
            self.skip_value()?;
            behind = Behind::Member;
        }
        self.leave();
        Ok(())
    }

    fn skip_array(&mut self) -> Result<(), Flaw> {
        self.enter()?;
        let mut behind = Behind::Opening;
        while self.next_element(behind)?.is_some() {
            self.skip_value()?;
            behind = Behind::Member;
        }
        self.leave();
        Ok(())
    }

    fn expected(&self, expected: &'static str) -> Flaw {
        Flaw::Malformed { expected, at: self.at }
    }
}

/// What the cursor stands behind in an object or array.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    Opening,
    Member,
}

//! From sqlparser's lines and columns to places in the text.

use std::str::Chars;

use sqlparser::tokenizer::Location;

/// Walks a text forwards, so that many locations in rising order cost one pass.
pub struct Cursor<'a> {
    text: &'a str,
    rest: Chars<'a>,
    line: u64,
    column: u64,
    characters: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Cursor<'a> {
        Cursor { text, rest: text.chars(), line: 1, column: 1, characters: 0 }
    }

    /// Moves on to a location; one that lies behind, or past the end, stops where it must.
    pub fn advance_to(&mut self, location: Location) {
        while (self.line, self.column) < (location.line, location.column) {
            match self.rest.next() {
                None => return,
                Some('\n') => (self.line, self.column) = (self.line + 1, 1),
                Some(_) => self.column += 1,
            }
            self.characters += 1;
        }
    }

    /// Characters before this place.
    pub fn characters(&self) -> usize {
        self.characters
    }

    /// Bytes before this place.
    pub fn bytes(&self) -> usize {
        self.text.len() - self.rest.as_str().len()
    }
}

/// The position of a location, as errors carry it: characters from 1.
pub fn position(text: &str, location: Location) -> usize {
    let mut cursor = Cursor::new(text);
    cursor.advance_to(location);
    cursor.characters() + 1
}

/// Where a location is in the text's bytes, to cut there.
pub fn byte_offset(text: &str, location: Location) -> usize {
    let mut cursor = Cursor::new(text);
    cursor.advance_to(location);
    cursor.bytes()
}

/// The position right after the last character.
pub fn end(text: &str) -> usize {
    text.chars().count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_counted_not_bytes() {
        let text = "é\nüx y";
        assert_eq!(position(text, Location::new(1, 1)), 1);
        assert_eq!(position(text, Location::new(2, 2)), 4);
        assert_eq!(&text[byte_offset(text, Location::new(2, 2))..], "x y");
        assert_eq!(position(text, Location::new(9, 9)), end(text));
    }
}

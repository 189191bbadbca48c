//! Rust source as a scanner needs it: comments, strings and test code become blanks, while lines keep their numbers.

/// What stands before an item that is only for tests.
pub const TEST_MARK: &str = "#[cfg(test)]";

/// The text with comments and the insides of literals blanked.
pub fn without_literals(text: &str) -> String {
    let mut blanker = Blanker { text: text.chars().collect(), at: 0, code: String::with_capacity(text.len()) };
    while blanker.at < blanker.text.len() {
        blanker.step();
    }
    blanker.code
}

/// Code (already without literals) with every item under `#[cfg(test)]` blanked.
pub fn without_tests(code: &str) -> String {
    let mut shipped = code.to_string();
    while let Some(start) = shipped.find(TEST_MARK) {
        let end = item_end(&shipped, start + TEST_MARK.len());
        let blanks = blank(&shipped[start..end]);
        shipped.replace_range(start..end, &blanks);
    }
    shipped
}

/// Where the item that begins after `start` ends: after its `;`, or after the brace that closes its first `{`.
pub fn item_end(code: &str, start: usize) -> usize {
    let mut depth = 0usize;
    for (at, character) in code[start..].char_indices() {
        match character {
            ';' if depth == 0 => return start + at + 1,
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 && character == '}' {
                    return start + at + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

/// Counts from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Lines that have code on them.
pub fn code_lines(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

/// Every place where `word` stands by itself and not within a longer identifier.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = code[..*at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_identifier) && !after.is_some_and(is_identifier)
    })
}

/// The identifier that begins here; empty if none does.
pub fn identifier(code: &str) -> &str {
    let end = code.find(|character| !is_identifier(character)).unwrap_or(code.len());
    &code[..end]
}

pub fn is_identifier(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn blank(text: &str) -> String {
    text.chars().map(|character| if character == '\n' { '\n' } else { ' ' }).collect()
}

struct Blanker {
    text: Vec<char>,
    at: usize,
    code: String,
}

impl Blanker {
    fn step(&mut self) {
        match (self.text[self.at], self.peek(1)) {
            ('/', Some('/')) => self.line_comment(),
            ('/', Some('*')) => self.block_comment(),
            ('"', _) => self.string(),
            ('r', _) if self.raw_string_hashes().is_some() => self.raw_string(),
            ('\'', _) if self.is_character() => self.character(),
            _ => self.keep(),
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn keep(&mut self) {
        self.code.push(self.text[self.at]);
        self.at += 1;
    }

    fn blank(&mut self) {
        self.code.push(if self.text[self.at] == '\n' { '\n' } else { ' ' });
        self.at += 1;
    }

    /// Blanks to where `ends` says, or to the end of the text.
    fn blank_until(&mut self, ends: impl Fn(&Blanker) -> bool) {
        while self.at < self.text.len() && !ends(self) {
            self.blank();
        }
    }

    fn line_comment(&mut self) {
        self.blank_until(|blanker| blanker.text[blanker.at] == '\n');
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.text.len() {
            match (self.text[self.at], self.peek(1)) {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth -= 1,
                _ => {
                    self.blank();
                    continue;
                }
            }
            self.blank();
            self.blank();
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.keep();
        while let Some(character) = self.peek(0) {
            match character {
                '"' => return self.keep(),
                '\\' if self.peek(1).is_some() => {
                    self.blank();
                    self.blank();
                }
                _ => self.blank(),
            }
        }
    }

    /// The number of `#` if a raw string begins at this `r`; `r#type` and the `r` of `for` begin none.
    fn raw_string_hashes(&self) -> Option<usize> {
        let before = self.at.checked_sub(1).map(|at| self.text[at]);
        let prefix = matches!(before, Some('b' | 'c')) && !self.at.checked_sub(2).is_some_and(|at| is_identifier(self.text[at]));
        if before.is_some_and(is_identifier) && !prefix {
            return None;
        }
        let hashes = self.text[self.at + 1..].iter().take_while(|character| **character == '#').count();
        (self.peek(1 + hashes) == Some('"')).then_some(hashes)
    }

    fn raw_string(&mut self) {
        let hashes = self.raw_string_hashes().expect("the caller saw a raw string");
        (0..hashes + 2).for_each(|_| self.keep());
        self.blank_until(|blanker| blanker.text[blanker.at] == '"' && (1..=hashes).all(|ahead| blanker.peek(ahead) == Some('#')));
        let left = self.text.len() - self.at;
        (0..left.min(hashes + 1)).for_each(|_| self.keep());
    }

    /// Whether this quote begins a character and not a lifetime.
    fn is_character(&self) -> bool {
        self.peek(1) == Some('\\') || self.peek(2) == Some('\'')
    }

    fn character(&mut self) {
        self.keep();
        if self.peek(0) == Some('\\') {
            self.blank();
        }
        self.blank();
        self.blank_until(|blanker| blanker.text[blanker.at] == '\'');
        if self.at < self.text.len() {
            self.keep();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_blank() {
        assert_eq!(without_literals("a(\"b\\\"c\"); // d\ne"), "a(\"    \");     \ne");
        assert_eq!(without_literals("/* a /* b */\n c */ d"), "            \n      d");
        assert_eq!(without_literals("// it's\nx"), "       \nx");
    }

    #[test]
    fn raw_strings_are_blank_and_raw_identifiers_are_not() {
        assert_eq!(without_literals("f(r#\"a\"b\"#, br\"c\")"), "f(r#\"   \"#, br\" \")");
        assert_eq!(without_literals("r#type, for \"x\""), "r#type, for \" \"");
    }

    #[test]
    fn characters_are_blank_and_lifetimes_are_not() {
        assert_eq!(without_literals("'{' '\\'' '\\u{7d}' b'}'"), "' ' '  ' '      ' b' '");
        assert_eq!(without_literals("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
    }

    #[test]
    fn test_items_are_blank() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n#[cfg(test)]\nmod more;\nfn c() {}";
        let shipped = without_tests(code);
        assert_eq!(shipped.split_whitespace().collect::<Vec<_>>().join(" "), "fn a() {} fn c() {}");
        assert_eq!(shipped.lines().count(), code.lines().count());
    }

    #[test]
    fn an_item_ends_at_its_semicolon_or_its_last_brace() {
        assert_eq!(item_end("fn f(a: [u8; 3]) -> u8 { { } } x", 0), 30);
        assert_eq!(item_end("mod a; fn b() {}", 0), 6);
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(words("fn fnord() { a.fn_x(fn) }", "fn").count(), 2);
        assert_eq!(identifier("abc_1::d"), "abc_1");
    }
}

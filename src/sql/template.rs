//! A query with its literals as parameters: texts that differ in nothing else have one template.
//!
//! This is no parser. It reads each character of a text once, and gives up wherever it would have to know more than where a literal begins and ends;
//! what it gives is parsed like everything else before it is used.

use datafusion::common::ScalarValue;

/// Longer texts are no look-ups by key.
const TEXT_BYTES_MAX: usize = 4096;

#[derive(Debug, PartialEq)]
pub struct Template {
    /// With `$1`, `$2`, … for the literals in their order.
    pub text: String,
    /// Integers and text.
    pub literals: Vec<ScalarValue>,
}

impl Template {
    /// Of one SELECT, maybe with a semicolon behind it. `None` where that is not what the text is, as far as can be seen so easily.
    pub fn of(sql: &str) -> Option<Template> {
        let sql = sql.trim();
        let sql = sql.strip_suffix(';').unwrap_or(sql).trim_end();
        if sql.len() > TEXT_BYTES_MAX || !sql.get(..6)?.eq_ignore_ascii_case("select") {
            return None;
        }
        let mut reader = Reader { sql, at: 0, copied: 0, template: Template { text: String::with_capacity(sql.len()), literals: vec![] } };
        while reader.at < sql.len() {
            reader.step()?;
        }
        let Reader { copied, mut template, .. } = reader;
        template.text.push_str(&sql[copied..]);
        Some(template).filter(|template| !template.literals.is_empty())
    }
}

struct Reader<'a> {
    sql: &'a str,
    at: usize,
    /// Up to where the text is in the template.
    copied: usize,
    template: Template,
}

impl Reader<'_> {
    fn step(&mut self) -> Option<()> {
        match self.byte(0)? {
            byte if begins_name(byte) => self.name(),
            b'0'..=b'9' => self.integer(self.at),
            b'-' if self.is_sign() => {
                self.at += 1;
                self.integer(self.at - 1)
            }
            b'\'' => self.text(),
            b'"' => {
                self.at += 1;
                self.at += self.sql.get(self.at..)?.find('"')? + 1;
                Some(())
            }
            // Parameters and dollar quotes; a second statement; comments; 1.5 and .5.
            b'$' | b';' | b'.' if self.is_strange() => None,
            b'-' if self.byte(1) == Some(b'-') => None,
            b'/' if self.byte(1) == Some(b'*') => None,
            _ => {
                self.at += 1;
                Some(())
            }
        }
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.sql.as_bytes().get(self.at + ahead).copied()
    }

    fn is_strange(&self) -> bool {
        self.byte(0) != Some(b'.') || self.byte(1).is_some_and(|next| next.is_ascii_digit())
    }

    /// Whether a minus is part of a number, and not between two.
    fn is_sign(&self) -> bool {
        let before = self.sql[..self.at].trim_end().bytes().next_back();
        matches!(before, Some(b'=' | b'(' | b',')) && self.byte(1).is_some_and(|next| next.is_ascii_digit())
    }

    fn name(&mut self) -> Option<()> {
        while self.byte(0).is_some_and(|byte| begins_name(byte) || byte.is_ascii_digit() || byte == b'$') {
            self.at += 1;
        }
        // E'…' and the like have rules of their own.
        (self.byte(0) != Some(b'\'')).then_some(())
    }

    fn integer(&mut self, start: usize) -> Option<()> {
        while self.byte(0).is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.byte(0).is_some_and(|byte| begins_name(byte) || byte == b'.' || byte == b'\'') {
            return None;
        }
        let value: i64 = self.sql[start..self.at].parse().ok()?;
        self.replace(start, ScalarValue::from(value));
        Some(())
    }

    fn text(&mut self) -> Option<()> {
        let start = self.at;
        let mut text = String::new();
        loop {
            self.at += 1;
            let part = &self.sql[self.at..];
            let end = part.find('\'')?;
            text.push_str(&part[..end]);
            self.at += end + 1;
            match self.byte(0) {
                Some(b'\'') => text.push('\''),
                _ => break,
            }
        }
        self.replace(start, ScalarValue::from(text));
        Some(())
    }

    fn replace(&mut self, start: usize, literal: ScalarValue) {
        self.template.text.push_str(&self.sql[self.copied..start]);
        self.template.literals.push(literal);
        self.template.text.push_str(&format!("${}", self.template.literals.len()));
        self.copied = self.at;
    }
}

fn begins_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_become_parameters_in_their_order() {
        let text = |value: &str| ScalarValue::from(value);
        let number = |value: i64| ScalarValue::from(value);
        for (sql, expected, literals) in [
            ("SELECT * FROM v WHERE k = 5;", "SELECT * FROM v WHERE k = $1", vec![number(5)]),
            (" select a1 from v where k=-5 and t = 'it''s' ", "select a1 from v where k=$1 and t = $2", vec![number(-5), text("it's")]),
            (
                "SELECT a - 1 FROM v WHERE \"5 '\" IN (1, -2)",
                "SELECT a - $1 FROM v WHERE \"5 '\" IN ($2, $3)",
                [1, 1, -2].map(number).to_vec(),
            ),
            ("SELECT é FROM v WHERE k = '' LIMIT 10", "SELECT é FROM v WHERE k = $1 LIMIT $2", vec![text(""), number(10)]),
            ("SELECT '''' || 'ü;--' FROM v", "SELECT $1 || $2 FROM v", vec![text("'"), text("ü;--")]),
        ] {
            assert_eq!(Template::of(sql), Some(Template { text: expected.to_string(), literals }), "{sql}");
        }
    }

    #[test]
    fn whatever_has_rules_of_its_own_has_no_template() {
        for sql in [
            "",
            "SELEC",
            "SELECT 1; SELECT 2",
            "INSERT INTO t VALUES (1)",
            "SELECT E'\\'' FROM v WHERE k = 1",
            "SELECT k FROM v WHERE k = 1.5",
            "SELECT k FROM v WHERE k = .5",
            "SELECT k FROM v WHERE k = 1e5",
            "SELECT k FROM v WHERE k = 99999999999999999999",
            "SELECT k FROM v WHERE k = $1 AND l = 5",
            "SELECT $$a$$ FROM v WHERE k = 1",
            "SELECT k FROM v -- 5\n WHERE k = 5",
            "SELECT k FROM v /* 5 */ WHERE k = 5",
            "SELECT k FROM v WHERE k = 'open",
            "SELECT \"open FROM v WHERE k = 5",
            "SELECT k FROM v",
        ] {
            assert_eq!(Template::of(sql), None, "{sql}");
        }
    }
}

//! Writes one flat JSON object straight into a buffer. No value tree and no allocation: a record takes about as long as copying it.

use std::net::Ipv4Addr;

const HEX: &[u8; 16] = b"0123456789abcdef";
const MILLIS_PER_DAY: i64 = 86_400_000;

pub struct ObjectWriter<'a> {
    out: &'a mut Vec<u8>,
    /// What stands before the next key: `{` or `,`.
    separator: u8,
}

impl<'a> ObjectWriter<'a> {
    pub fn new(out: &'a mut Vec<u8>) -> ObjectWriter<'a> {
        ObjectWriter { out, separator: b'{' }
    }

    /// Closes the object.
    pub fn end(self) {
        if self.separator == b'{' {
            self.out.push(b'{');
        }
        self.out.push(b'}');
    }

    pub fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        write_text(self.out, value);
    }

    /// The text `<prefix><number>`, as in `usr-17`. The prefix needs no escapes.
    pub fn tagged(&mut self, key: &str, prefix: &str, number: u64) {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(prefix.as_bytes());
        write_whole(self.out, number);
        self.out.push(b'"');
    }

    pub fn whole(&mut self, key: &str, value: u64) {
        self.key(key);
        write_whole(self.out, value);
    }

    /// `thousandths` / 1000, always with a decimal point.
    pub fn decimal(&mut self, key: &str, thousandths: u64) {
        self.key(key);
        write_whole(self.out, thousandths / 1000);
        self.out.push(b'.');
        write_digits(self.out, thousandths % 1000, 3);
    }

    pub fn boolean(&mut self, key: &str, value: bool) {
        self.key(key);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub fn null(&mut self, key: &str) {
        self.key(key);
        self.out.extend_from_slice(b"null");
    }

    pub fn address(&mut self, key: &str, value: Ipv4Addr) {
        self.key(key);
        let mut before = b'"';
        for part in value.octets() {
            self.out.push(before);
            write_whole(self.out, u64::from(part));
            before = b'.';
        }
        self.out.push(b'"');
    }

    /// As a random (version 4) UUID is written. `high` is kept whole; of `low` the upper 6 bits give way to version and variant.
    pub fn uuid(&mut self, key: &str, high: u64, low: u64) {
        self.key(key);
        let first = (high & !0xf000) | 0x4000;
        // The four bits of `high` that the version displaced move to the second half, so that different ones stay different.
        let second = 0x8000_0000_0000_0000 | ((high & 0xf000) << 46) | (low & 0x03ff_ffff_ffff_ffff);
        self.out.push(b'"');
        write_hex(self.out, first >> 32, 8);
        for (value, digits) in [(first >> 16, 4), (first, 4), (second >> 48, 4), (second, 12)] {
            self.out.push(b'-');
            write_hex(self.out, value, digits);
        }
        self.out.push(b'"');
    }

    /// `2026-01-01T00:00:00.000Z` from milliseconds since 1970, for the years 1970 to 9999.
    pub fn time(&mut self, key: &str, millis: i64) {
        self.key(key);
        let (year, month, day) = civil_date(millis.div_euclid(MILLIS_PER_DAY));
        let rest = millis.rem_euclid(MILLIS_PER_DAY) as u64;
        let parts = [
            (b'"', year, 4),
            (b'-', month, 2),
            (b'-', day, 2),
            (b'T', rest / 3_600_000, 2),
            (b':', rest / 60_000 % 60, 2),
            (b':', rest / 1000 % 60, 2),
            (b'.', rest % 1000, 3),
        ];
        for (before, value, digits) in parts {
            self.out.push(before);
            write_digits(self.out, value, digits);
        }
        self.out.extend_from_slice(b"Z\"");
    }

    pub fn object(&mut self, key: &str, fill: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.key(key);
        let mut object = ObjectWriter::new(self.out);
        fill(&mut object);
        object.end();
    }

    pub fn texts(&mut self, key: &str, values: &[&str]) {
        self.key(key);
        self.out.push(b'[');
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            write_text(self.out, value);
        }
        self.out.push(b']');
    }

    fn key(&mut self, key: &str) {
        self.out.push(self.separator);
        self.separator = b',';
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

/// The decimal text of a number.
pub fn write_whole(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0u8; 20];
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// The last `count` decimal digits, with leading zeros.
fn write_digits(out: &mut Vec<u8>, mut value: u64, count: usize) {
    let mut digits = [b'0'; 4];
    for digit in digits[..count].iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&digits[..count]);
}

/// The last `count` hexadecimal digits.
fn write_hex(out: &mut Vec<u8>, value: u64, count: usize) {
    for digit in (0..count).rev() {
        out.push(HEX[(value >> (4 * digit)) as usize & 0xf]);
    }
}

fn write_text(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    match value.bytes().any(needs_escape) {
        false => out.extend_from_slice(value.as_bytes()),
        true => value.bytes().for_each(|byte| write_escaped(out, byte)),
    }
    out.push(b'"');
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

fn write_escaped(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        _ if needs_escape(byte) => {
            out.extend_from_slice(b"\\u00");
            write_hex(out, u64::from(byte), 2);
        }
        _ => out.push(byte),
    }
}

/// Year, month and day of a day since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn civil_date(days: i64) -> (u64, u64, u64) {
    let shifted = (days + 719_468) as u64;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(fill: impl FnOnce(&mut ObjectWriter<'_>)) -> String {
        let mut out = Vec::new();
        let mut object = ObjectWriter::new(&mut out);
        fill(&mut object);
        object.end();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_are_written_as_json_has_them() {
        let text = written(|object| {
            object.text("a", "x \"y\" \\ \u{7} é");
            object.tagged("b", "usr-", 17);
            object.whole("c", u64::MAX);
            object.decimal("d", 1_050);
            object.boolean("e", true);
            object.null("f");
            object.address("g", Ipv4Addr::new(10, 0, 200, 1));
            object.object("h", |_| {});
            object.texts("i", &["p", "q"]);
        });
        assert_eq!(
            text,
            r#"{"a":"x \"y\" \\ \u0007 é","b":"usr-17","c":18446744073709551615,"d":1.050,"e":true,"f":null,"g":"10.0.200.1","h":{},"i":["p","q"]}"#
        );
    }

    #[test]
    fn times_agree_with_chrono() {
        for day in (0..2_932_896).step_by(97) {
            let millis = day * MILLIS_PER_DAY + day % MILLIS_PER_DAY;
            let expected =
                chrono::DateTime::from_timestamp_millis(millis).unwrap().format("{\"t\":\"%Y-%m-%dT%H:%M:%S%.3fZ\"}").to_string();
            assert_eq!(written(|object| object.time("t", millis)), expected);
        }
    }

    #[test]
    fn a_uuid_is_well_formed_and_keeps_every_bit_of_its_high_half() {
        let ids: std::collections::BTreeSet<_> = (0..64).map(|bit| written(|object| object.uuid("u", 1 << bit, 5))).collect();
        assert_eq!(ids.len(), 64);
        for text in ids {
            let id = uuid::Uuid::parse_str(&text[6..42]).unwrap();
            assert_eq!((id.get_version_num(), id.get_variant()), (4, uuid::Variant::RFC4122));
        }
    }
}

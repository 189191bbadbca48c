//! Floats and decimals: PostgreSQL's text, and the base-10,000 digits of binary `numeric`.

use std::fmt::{Display, Write};

use bytes::{BufMut, BytesMut};

/// From this power of ten on a float is written with an exponent, as PostgreSQL does.
const REAL_EXPONENT_FROM: i32 = 6;
const DOUBLE_EXPONENT_FROM: i32 = 15;
/// Below this one too.
const EXPONENT_BELOW: i32 = -4;

const NUMERIC_NEGATIVE: u16 = 0x4000;
const NUMERIC_POSITIVE: u16 = 0x0000;
/// A 256-bit decimal has 77 digits and a sign.
const DIGITS_MAX: usize = 80;

pub(super) fn write_real(value: f32, out: &mut BytesMut) {
    match value.is_finite() {
        true => write_shortest(value, REAL_EXPONENT_FROM, out),
        false => write_special(value as f64, out),
    }
}

pub(super) fn write_double(value: f64, out: &mut BytesMut) {
    match value.is_finite() {
        true => write_shortest(value, DOUBLE_EXPONENT_FROM, out),
        false => write_special(value, out),
    }
}

fn write_special(value: f64, out: &mut BytesMut) {
    out.put_slice(match (value.is_nan(), value > 0.0) {
        (true, _) => b"NaN",
        (false, true) => b"Infinity",
        (false, false) => b"-Infinity",
    });
}

/// The shortest digits that read back as the same value. Rust finds them; only the exponent's form is PostgreSQL's.
fn write_shortest<T: Display + std::fmt::LowerExp>(value: T, exponent_from: i32, out: &mut BytesMut) {
    let mut scientific = Buffer::default();
    write!(scientific, "{value:e}").expect("the digits of a float fit");
    let (digits, exponent) = scientific.as_str().split_once('e').expect("{:e} writes an exponent");
    let exponent: i32 = exponent.parse().expect("{:e} writes a number as exponent");
    let written = match exponent {
        EXPONENT_BELOW.. if exponent < exponent_from => write!(out, "{value}"),
        0.. => write!(out, "{digits}e+{exponent:02}"),
        _ => write!(out, "{digits}e-{:02}", -exponent),
    };
    written.expect("a buffer grows as it must");
}

/// A decimal number taken apart: value = ± digits · 10^-scale.
pub(super) struct Digits {
    negative: bool,
    text: Buffer,
    scale: i32,
}

impl Digits {
    pub(super) fn of(unscaled: impl Display, scale: i8) -> Digits {
        let mut text = Buffer::default();
        write!(text, "{unscaled}").expect("the digits of a decimal fit");
        let negative = text.as_str().starts_with('-');
        Digits { negative, text, scale: scale as i32 }
    }

    fn digits(&self) -> &[u8] {
        &self.text.as_str().as_bytes()[self.negative as usize..]
    }

    pub(super) fn write_text(&self, out: &mut BytesMut) {
        let digits = self.digits();
        if self.negative {
            out.put_u8(b'-');
        }
        if self.scale <= 0 {
            out.put_slice(digits);
            if digits != b"0" {
                out.put_bytes(b'0', -self.scale as usize);
            }
            return;
        }
        let scale = self.scale as usize;
        match digits.len() > scale {
            true => out.put_slice(&digits[..digits.len() - scale]),
            false => out.put_u8(b'0'),
        }
        out.put_u8(b'.');
        out.put_bytes(b'0', scale.saturating_sub(digits.len()));
        out.put_slice(&digits[digits.len().saturating_sub(scale)..]);
    }

    pub(super) fn write_binary(&self, out: &mut BytesMut) {
        let top_power = self.digits().len() as i32 - 1 - self.scale;
        let mut high = top_power.div_euclid(4);
        let mut low = (-self.scale).div_euclid(4);
        while high >= low && self.group(high) == 0 {
            high -= 1;
        }
        while low <= high && self.group(low) == 0 {
            low += 1;
        }
        let groups = high - low + 1;
        out.put_i16(groups as i16);
        out.put_i16(if groups == 0 { 0 } else { high as i16 });
        out.put_u16(if self.negative { NUMERIC_NEGATIVE } else { NUMERIC_POSITIVE });
        out.put_u16(self.scale.max(0) as u16);
        for group in (low..=high).rev() {
            out.put_u16(self.group(group));
        }
    }

    /// The base-10,000 digit that counts 10,000^`index`.
    fn group(&self, index: i32) -> u16 {
        (0..4).rev().fold(0, |value, power| value * 10 + self.digit(index * 4 + power) as u16)
    }

    fn digit(&self, power: i32) -> u8 {
        let digits = self.digits();
        let from_right = power + self.scale;
        match (0..digits.len() as i32).contains(&from_right) {
            true => digits[digits.len() - 1 - from_right as usize] - b'0',
            false => 0,
        }
    }
}

/// A number's text on the stack.
struct Buffer {
    bytes: [u8; DIGITS_MAX],
    length: usize,
}

impl Default for Buffer {
    fn default() -> Buffer {
        Buffer { bytes: [0; DIGITS_MAX], length: 0 }
    }
}

impl Buffer {
    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).expect("only whole strings are written into it")
    }
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

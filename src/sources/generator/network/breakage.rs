//! Makes a good record bad. What comes out is never a JSON object, never empty, and never has a line break.

use super::super::dice::Dice;
use super::super::json_writer::write_whole;
use super::super::record::Breakage;

const BROKEN_IN_THOUSAND: u64 = 5;

/// Whether, and how, the next record is broken.
pub fn draw(dice: &mut Dice) -> Option<Breakage> {
    if !dice.in_thousand(BROKEN_IN_THOUSAND) {
        return None;
    }
    Some(match dice.below(4) {
        0 => Breakage::CutOff,
        1 => Breakage::NotJson,
        2 => Breakage::NotUtf8,
        _ => Breakage::NotAnObject,
    })
}

/// `payload` is a JSON object whose first value is a text.
pub fn apply(breakage: Breakage, dice: &mut Dice, payload: &mut Vec<u8>) {
    match breakage {
        // Without its last brace no object is complete, wherever it is cut.
        Breakage::CutOff => payload.truncate(1 + dice.below(payload.len() as u64 - 1) as usize),
        Breakage::NotJson => {
            payload.clear();
            payload.extend_from_slice(b"<134>1 flowd[");
            write_whole(payload, dice.below(32_768));
            payload.extend_from_slice(b"]: link flap on eth0, counters reset");
        }
        // In the place of the quote before the first value, so that a reader who skips values stumbles over it too.
        Breakage::NotUtf8 => {
            let quote = payload.iter().position(|byte| *byte == b':').expect("an object with a field has a colon") + 1;
            payload[quote] = 0xff;
        }
        Breakage::NotAnObject => {
            payload.clear();
            payload.extend_from_slice(b"[\"heartbeat\",");
            write_whole(payload, dice.below(1 << 32));
            payload.extend_from_slice(b",null]");
        }
    }
}

//! Dice that fall as their seed says.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

#[derive(Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    pub fn of(seed: u64) -> Dice {
        Dice(ChaCha8Rng::seed_from_u64(seed))
    }

    /// The same each time they are thrown for the same thing, and others for any other. The hash is FNV-1a.
    pub fn about(seed: u64, what: &str, occurrence: u64) -> Dice {
        let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for byte in what.bytes().chain(occurrence.to_le_bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Dice::of(hash)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.0.next_u64() % end
    }

    /// For other dice.
    pub fn seed(&mut self) -> u64 {
        self.0.next_u64()
    }
}

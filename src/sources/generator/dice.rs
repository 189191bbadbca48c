//! Randomness that is a pure function of (seed, lane, number): splitmix64 (Steele, Lea and Flood, OOPSLA 2014), begun anew for each record.
//!
//! Our own dozen lines instead of a crate's generator, for the records of a seed must stay the same when libraries change.

/// 2⁶⁴ divided by the golden ratio, odd: multiples of it never meet before 2⁶⁴ steps.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Keeps apart what is drawn for different purposes under one seed.
#[derive(Debug, Clone, Copy)]
pub enum Lane {
    Event = 1,
    Management = 2,
    Organisation = 3,
    User = 4,
    Device = 5,
    Person = 6,
    Auction = 7,
    Bid = 8,
    Channel = 9,
}

/// The throws of one record.
#[derive(Debug, Clone)]
pub struct Dice {
    state: u64,
    identity: u64,
}

impl Dice {
    pub fn new(seed: u64, lane: Lane, number: u64) -> Dice {
        let start = mix(seed.wrapping_add((lane as u64).wrapping_mul(GOLDEN)));
        let identity = mix(start.wrapping_add(number.wrapping_mul(GOLDEN)));
        Dice { state: identity, identity }
    }

    /// A number that no other record of this seed and lane has: each step from the record's number to here can be undone.
    pub fn identity(&self) -> u64 {
        self.identity
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN);
        mix(self.state)
    }

    /// A number from 0 to `end` − 1, evenly but for 2⁻⁶⁴ × `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// True `share` times in a thousand.
    pub fn in_thousand(&mut self, share: u64) -> bool {
        self.below(1000) < share
    }

    /// One of `choices`, which is not empty.
    pub fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// A number below 2^`bits` that is small more often than large, as sizes and durations are.
    pub fn skewed(&mut self, bits: u64) -> u64 {
        let length = 1 + self.below(bits);
        self.next() >> (64 - length)
    }
}

fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sequence() {
        // The first outputs of the reference implementation for the state 1234567.
        let mut dice = Dice { state: 1_234_567, identity: 0 };
        assert_eq!(
            [dice.next(), dice.next(), dice.next()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn draws_stay_in_their_range() {
        let mut dice = Dice::new(7, Lane::Event, 0);
        assert!((0..10_000).all(|_| dice.below(6) < 6));
        assert!((0..10_000).all(|_| dice.skewed(20) < 1 << 20));
    }
}

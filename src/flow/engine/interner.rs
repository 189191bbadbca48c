//! Byte strings, each stored once and known by a number. Numbers of strings that were removed are given again.

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

use super::arena::{Arena, Place};
use super::encoder::Encoded;

/// The number of a byte string. Stays the same as long as the string is there.
pub type Number = u32;

#[derive(Default)]
pub struct Interner {
    table: HashTable<Entry>,
    places: Vec<Place>,
    free: Vec<Number>,
    arena: Arena,
    state: RandomState,
}

/// Half of the hash stands beside the number, so that neither growing nor most misses touch the strings.
#[derive(Clone, Copy)]
struct Entry {
    hash: u32,
    number: Number,
}

/// The numbers of many strings.
pub struct Interned {
    pub numbers: Vec<Number>,
    /// Which of them are new, in order: the first of each.
    pub new: Vec<usize>,
}

/// Stands for no number.
const NONE: Number = Number::MAX;

impl Interner {
    /// The number of `bytes`, and whether it is new.
    pub fn intern(&mut self, bytes: &[u8]) -> (Number, bool) {
        let hash = self.hash(bytes);
        match self.find_hashed(hash, bytes) {
            Some(number) => (number, false),
            None => (self.add(hash, bytes), true),
        }
    }

    /// The same for the first `count` of these strings.
    pub fn intern_all(&mut self, strings: &Encoded, count: usize) -> Interned {
        let hashes = self.hashes(strings, count);
        let mut numbers = self.likely(&hashes, strings);
        let mut new = Vec::new();
        for (row, number) in numbers.iter_mut().enumerate().filter(|(_, number)| **number == NONE) {
            let (hash, bytes) = (hashes[row], strings.row(row));
            *number = match self.find_hashed(hash, bytes) {
                Some(number) => number,
                None => {
                    new.push(row);
                    self.add(hash, bytes)
                }
            };
        }
        Interned { numbers, new }
    }

    pub fn find_all(&self, strings: &Encoded, count: usize) -> Vec<Option<Number>> {
        let hashes = self.hashes(strings, count);
        let likely = self.likely(&hashes, strings).into_iter().enumerate();
        likely.map(|(row, number)| if number == NONE { self.find_hashed(hashes[row], strings.row(row)) } else { Some(number) }).collect()
    }

    fn hashes(&self, strings: &Encoded, count: usize) -> Vec<u32> {
        (0..count).map(|row| self.hash(strings.row(row))).collect()
    }

    /// The number of each string for which the first entry with its hash is the right one: nearly all of those that are there. In steps, each
    /// of which does one thing for all strings, so that the processor waits for the memory of many of them at once.
    fn likely(&self, hashes: &[u32], strings: &Encoded) -> Vec<Number> {
        if self.table.is_empty() {
            return vec![NONE; hashes.len()];
        }
        let candidate = |hash: &u32| self.table.find(spread(*hash), |entry| entry.hash == *hash).map_or(NONE, |entry| entry.number);
        let mut numbers: Vec<Number> = hashes.iter().map(candidate).collect();
        let places: Vec<Place> = numbers.iter().map(|number| self.places.get(*number as usize).copied().unwrap_or_default()).collect();
        for (row, (number, place)) in numbers.iter_mut().zip(places).enumerate() {
            if *number != NONE && self.arena.get(place) != strings.row(row) {
                *number = NONE;
            }
        }
        numbers
    }

    fn find_hashed(&self, hash: u32, bytes: &[u8]) -> Option<Number> {
        let is_it = |entry: &Entry| entry.hash == hash && self.get(entry.number) == bytes;
        self.table.find(spread(hash), is_it).map(|entry| entry.number)
    }

    fn add(&mut self, hash: u32, bytes: &[u8]) -> Number {
        let place = self.arena.store(bytes);
        let number = match self.free.pop() {
            Some(number) => {
                self.places[number as usize] = place;
                number
            }
            None => {
                self.places.push(place);
                (self.places.len() - 1) as Number
            }
        };
        self.table.insert_unique(spread(hash), Entry { hash, number }, |entry| spread(entry.hash));
        number
    }

    pub fn find(&self, bytes: &[u8]) -> Option<Number> {
        self.find_hashed(self.hash(bytes), bytes)
    }

    pub fn get(&self, number: Number) -> &[u8] {
        self.arena.get(self.places[number as usize])
    }

    /// Forgets the string. Its number must be one that is in use.
    pub fn remove(&mut self, number: Number) {
        let hash = self.hash(self.get(number));
        match self.table.find_entry(spread(hash), |entry| entry.number == number) {
            Ok(entry) => drop(entry.remove()),
            Err(_) => unreachable!("a number in use is in the table"),
        }
        self.arena.free(self.places[number as usize]);
        self.free.push(number);
    }

    /// Strings that are there.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// One more than the largest number ever given: what stands beside the numbers needs so many places.
    pub fn numbers(&self) -> usize {
        self.places.len()
    }

    /// The numbers in use, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Number> + '_ {
        self.table.iter().map(|entry| entry.number)
    }

    pub fn bytes(&self) -> usize {
        let table = self.table.capacity() * (size_of::<Entry>() + 1);
        table + self.places.capacity() * size_of::<Place>() + self.free.capacity() * size_of::<Number>() + self.arena.bytes()
    }

    fn hash(&self, bytes: &[u8]) -> u32 {
        self.state.hash_one(bytes) as u32
    }
}

/// A table wants all bits of a hash to vary.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn holds_what_a_map_holds(steps in prop::collection::vec((any::<bool>(), prop::collection::vec(0u8..4, 0..40)), 0..400)) {
            let mut interner = Interner::default();
            let mut expected: HashMap<Vec<u8>, Number> = HashMap::new();
            for (adds, bytes) in steps {
                if adds {
                    let (number, is_new) = interner.intern(&bytes);
                    prop_assert_eq!(is_new, !expected.contains_key(&bytes));
                    prop_assert_eq!(*expected.entry(bytes).or_insert(number), number);
                } else if let Some(number) = expected.remove(&bytes) {
                    interner.remove(number);
                }
                prop_assert_eq!(interner.len(), expected.len());
            }
            for (bytes, number) in &expected {
                prop_assert_eq!(interner.find(bytes), Some(*number));
                prop_assert_eq!(interner.get(*number), bytes.as_slice());
            }
        }
    }
}

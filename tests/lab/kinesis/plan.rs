//! What the service is like, how it fails, and what becomes of its streams while they are read.

use super::super::dice::Dice;
use super::faults::Rates;

#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    pub rates: Rates,
    pub streams: u64,
    /// Of each stream, in the beginning.
    pub shards: u64,
    /// A page of a listing has so many shards, or fewer.
    pub page_max: u64,
    /// How often the source asks a shard that has nothing.
    pub poll_interval_ms: u64,
    /// The records come in so many parts: the first is there in the beginning, each other when so many more reads have been answered.
    pub stages: u64,
    pub reads_max: u64,
    /// So many splits and merges come with a part, or fewer.
    pub reshards_max: u64,
}

impl Plan {
    /// Some streams of some shards.
    pub fn random(dice: &mut Dice) -> Plan {
        let (streams, shards) = (1 + dice.below(2), 1 + dice.below(4));
        Plan {
            seed: dice.seed(),
            rates: Rates::random(dice, [10, 30, 60]),
            streams,
            shards,
            page_max: 8,
            poll_interval_ms: 200,
            stages: 3 + dice.below(5),
            reads_max: 6 * streams * shards,
            reshards_max: 3,
        }
    }

    /// One stream of 200 shards. To read all of them once is much to sign, to send and to understand, so that it is not done often. Each job lists
    /// all shards whenever one ends, so listings cannot fail often.
    pub fn of_two_hundred_shards(dice: &mut Dice) -> Plan {
        Plan {
            seed: dice.seed(),
            rates: Rates::random(dice, [2, 8, 20]),
            streams: 1,
            shards: 200,
            page_max: 100,
            poll_interval_ms: 1000,
            stages: 6 + dice.below(4),
            reads_max: 300,
            reshards_max: 8,
        }
    }
}

impl Rates {
    /// As in one kind of weather of three.
    fn random(dice: &mut Dice, weather: [u64; 3]) -> Rates {
        let worst = weather[dice.below(3) as usize];
        let mut rate = || dice.below(worst + 1);
        Rates {
            throttled: rate(),
            internal: rate(),
            expired: rate(),
            lost: rate(),
            again: rate() * 4,
            short: rate() * 4,
            slow: rate(),
            latency_ms_max: 300,
        }
    }
}

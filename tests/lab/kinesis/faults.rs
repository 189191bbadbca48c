//! Which request fails, and how: drawn from the seed, what is asked for, and how often that was asked before. So the same plan over the
//! same reading gives the same faults, in whatever order shards take their turns.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::super::dice::Dice;

const THOUSAND: u64 = 1000;

/// What is asked of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    DescribeStreamSummary,
    ListShards,
    GetShardIterator,
    GetRecords,
}

/// One way in which the service fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Asked too often. Nothing is done.
    Throttled,
    /// Nothing is done, and the service does not know why.
    Internal,
    /// The iterator, or the place in a listing, is too old.
    Expired,
    /// It is done, and the connection breaks in the middle of the answer.
    Lost,
    /// Records that came before are given again, and some of them twice.
    Again,
    /// Fewer records than there are and than were asked for, perhaps none.
    Short,
}

/// Of a thousand requests that can fail in this way, how many do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    pub throttled: u64,
    pub internal: u64,
    pub expired: u64,
    pub lost: u64,
    pub again: u64,
    pub short: u64,
    pub slow: u64,
    /// How slow a slow one may be.
    pub latency_ms_max: u64,
}

#[derive(Debug)]
pub struct Draws {
    seed: u64,
    rates: Rates,
    seen: Mutex<HashMap<String, u64>>,
}

#[derive(Debug)]
pub struct Drawn {
    pub fault: Option<Fault>,
    pub latency: Duration,
    /// For whatever else there is to say about it.
    pub dice: Dice,
}

impl Action {
    pub fn of(target: &str) -> Option<Action> {
        match target.strip_prefix("Kinesis_20131202.")? {
            "DescribeStreamSummary" => Some(Action::DescribeStreamSummary),
            "ListShards" => Some(Action::ListShards),
            "GetShardIterator" => Some(Action::GetShardIterator),
            "GetRecords" => Some(Action::GetRecords),
            _ => None,
        }
    }
}

impl Draws {
    pub fn new(seed: u64, rates: Rates) -> Draws {
        Draws { seed, rates, seen: Mutex::default() }
    }

    /// `about` is what makes this request another than the rest.
    pub fn draw(&self, action: Action, about: &str) -> Drawn {
        let what = format!("{action:?} {about}");
        let occurrence = {
            let mut seen = self.seen.lock();
            let times = seen.entry(what.clone()).or_default();
            *times += 1;
            *times
        };
        let mut dice = Dice::about(self.seed, &what, occurrence);
        let fault = self.fault(action, dice.below(THOUSAND));
        let latency_ms = match dice.below(THOUSAND) < self.rates.slow {
            true => 1 + dice.below(self.rates.latency_ms_max.max(1)),
            false => 0,
        };
        Drawn { fault, latency: Duration::from_millis(latency_ms), dice }
    }

    /// The faults that the action can have share the thousand, one after the other.
    fn fault(&self, action: Action, mut rolled: u64) -> Option<Fault> {
        let rates = &self.rates;
        let always = [(Fault::Throttled, rates.throttled), (Fault::Internal, rates.internal), (Fault::Lost, rates.lost)];
        let own: &[(Fault, u64)] = match action {
            Action::GetRecords => &[(Fault::Expired, rates.expired), (Fault::Again, rates.again), (Fault::Short, rates.short)],
            Action::ListShards => &[(Fault::Expired, rates.expired)],
            Action::DescribeStreamSummary | Action::GetShardIterator => &[],
        };
        for (fault, rate) in always.iter().chain(own) {
            if rolled < *rate {
                return Some(*fault);
            }
            rolled -= rate;
        }
        None
    }
}

#[test]
fn a_plan_replays_and_keeps_its_rates() {
    let rates = Rates { throttled: 100, lost: 50, again: 200, slow: 500, latency_ms_max: 10, ..Rates::default() };
    let drawn = |seed: u64, order: Vec<u64>| {
        let draws = Draws::new(seed, rates);
        let fault = |nth: u64| draws.draw(Action::GetRecords, &format!("s/shardId/{nth}")).fault;
        let mut drawn: Vec<_> = order.into_iter().map(|nth| (nth, fault(nth))).collect();
        drawn.sort_by_key(|(nth, _)| *nth);
        drawn
    };
    let first = drawn(1, (0..10_000).collect());
    assert_eq!(first, drawn(1, (0..10_000).rev().collect()));
    assert_ne!(first, drawn(2, (0..10_000).collect()));
    let count = |wanted| first.iter().filter(|(_, fault)| *fault == Some(wanted)).count();
    assert!((800..1200).contains(&count(Fault::Throttled)), "{}", count(Fault::Throttled));
    assert!((350..650).contains(&count(Fault::Lost)), "{}", count(Fault::Lost));
    assert!((1700..2300).contains(&count(Fault::Again)), "{}", count(Fault::Again));
    assert_eq!(count(Fault::Short), 0);
}

#[test]
fn what_is_asked_again_does_not_fail_for_ever() {
    let draws = Draws::new(1, Rates { throttled: 500, ..Rates::default() });
    let fails = (0..1000).filter(|_| draws.draw(Action::ListShards, "s").fault.is_some()).count();
    assert!((400..600).contains(&fails), "{fails}");
}

//! How often which fault happens.

use std::str::FromStr;

use crate::error::{Error, Result};

/// One way in which a store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// What was asked for is done, and the answer is lost.
    LostAnswer,
    /// The object is made, and the client's own repeat of the request is told that it exists.
    OwnConflict,
    /// Nothing is made, and the answer is that it exists (S3's 409).
    FalseConflict,
    /// Nothing is done, and the store says so: 503, slow down.
    Refused,
    /// A part of an upload does not arrive.
    TornPart,
    /// A list lacks what was made last. S3 and local folders have no such lists.
    StaleList,
}

/// Of a thousand operations that can fail in this way, how many do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    pub lost_answer: u64,
    pub own_conflict: u64,
    pub false_conflict: u64,
    pub refused: u64,
    pub torn_part: u64,
    pub stale_list: u64,
    pub slow: u64,
    /// How slow a slow one may be.
    pub latency_ms_max: u64,
}

/// The seed and the rates determine what happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Plan {
    pub seed: u64,
    pub rates: Rates,
}

impl FromStr for Plan {
    type Err = Error;

    /// `seed=7,refused=20,latency_ms_max=500,…`; what is not named is 0.
    fn from_str(text: &str) -> Result<Plan> {
        let mut plan = Plan::default();
        for setting in text.split(',').map(str::trim).filter(|setting| !setting.is_empty()) {
            let unknown = || Error::invalid(format!("'{setting}' is no part of a plan of faults")).with_hint("write seed=7,refused=20,…");
            let (name, value) = setting.split_once('=').ok_or_else(unknown)?;
            let value: u64 = value.parse().map_err(|_| unknown())?;
            let rates = &mut plan.rates;
            let place = match name {
                "seed" => &mut plan.seed,
                "lost_answer" => &mut rates.lost_answer,
                "own_conflict" => &mut rates.own_conflict,
                "false_conflict" => &mut rates.false_conflict,
                "refused" => &mut rates.refused,
                "torn_part" => &mut rates.torn_part,
                "stale_list" => &mut rates.stale_list,
                "slow" => &mut rates.slow,
                "latency_ms_max" => &mut rates.latency_ms_max,
                _ => return Err(unknown()),
            };
            *place = value;
        }
        Ok(plan)
    }
}

//! Who and what there is: organisations, their users, the users' devices, and the points of presence. The same for both streams.

use std::net::Ipv4Addr;

use super::super::dice::Dice;

pub const ORGANISATIONS: u64 = 100;
pub const USERS_PER_ORGANISATION: u64 = 20;
pub const DEVICES_PER_USER: u64 = 2;
pub const USERS: u64 = ORGANISATIONS * USERS_PER_ORGANISATION;
pub const DEVICES: u64 = USERS * DEVICES_PER_USER;

/// 2026-01-01T00:00:00Z, when the events begin, in milliseconds since 1970.
pub const BEGIN_MILLIS: i64 = 1_767_225_600_000;

pub const CITIES: &[&str] = &[
    "ams", "arn", "bom", "cdg", "dfw", "dub", "eze", "fra", "gru", "hkg", "iad", "icn", "jnb", "lax", "lhr", "mad", "mia", "mxp", "nrt",
    "ord", "prg", "sea", "sin", "syd", "waw",
];
pub const POPS_PER_CITY: u64 = 4;

/// A device, and through it its user and organisation. All count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device(pub u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User(pub u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Organisation(pub u64);

impl Device {
    /// One that sends events: few organisations are busy, most users' first device is.
    pub fn at_work(dice: &mut Dice) -> Device {
        let organisation = dice.below(ORGANISATIONS).min(dice.below(ORGANISATIONS));
        let user = organisation * USERS_PER_ORGANISATION + dice.below(USERS_PER_ORGANISATION);
        let slot = u64::from(dice.below(10) < 3);
        Device(user * DEVICES_PER_USER + slot)
    }

    pub fn user(self) -> User {
        User(self.0 / DEVICES_PER_USER)
    }

    /// Private, the same for ever, and nobody else's: `10.<tenant>.<user of the tenant>.<1 + device of the user>`.
    pub fn address(self) -> Ipv4Addr {
        let user = self.user();
        let parts = [user.organisation().tenant_id(), user.0 % USERS_PER_ORGANISATION, 1 + self.0 % DEVICES_PER_USER];
        let [tenant, user, device] = parts.map(|part| part as u8);
        Ipv4Addr::new(10, tenant, user, device)
    }
}

impl User {
    pub fn organisation(self) -> Organisation {
        Organisation(self.0 / USERS_PER_ORGANISATION)
    }

    pub fn first_device(self) -> Device {
        Device(self.0 * DEVICES_PER_USER)
    }
}

impl Organisation {
    pub fn tenant_id(self) -> u64 {
        self.0 + 1
    }
}

// An address has one byte for each of its parts.
const _: () = assert!(ORGANISATIONS < 256 && USERS_PER_ORGANISATION < 256 && DEVICES_PER_USER < 255);

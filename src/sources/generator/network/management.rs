//! The records of the management plane: first all there is, then changes to it, with tombstones.

use super::super::dice::{Dice, Lane};
use super::super::json_writer::{ObjectWriter, write_whole};
use super::super::record::{Content, EntityKind, Record};
use super::breakage;
use super::world::{BEGIN_MILLIS, DEVICES, Device, ORGANISATIONS, Organisation, USERS, User};

/// How many records the first state of everything takes.
pub const INVENTORY_RECORDS: u64 = USERS_END + DEVICES;
const USERS_END: u64 = ORGANISATIONS + USERS;

const INVENTORY_STEP_MILLIS: u64 = 500;
const INVENTORY_BEGIN_MILLIS: i64 = BEGIN_MILLIS - 3_600_000;
const CHANGE_STEP_MILLIS: u64 = 60_000;
/// Years have four digits.
const CHANGES_UNTIL_TIME_REPEATS: u64 = 50_000_000;
const TOMBSTONES_ONE_IN: u64 = 25;

const COMPANIES: &[&str] =
    &["Northwind", "Contoso", "Initech", "Globex", "Umbrella", "Hooli", "Vandelay", "Wonka", "Żabka", "Müller & Söhne"];
const COMPANY_FORMS: &[&str] = &["AG", "GmbH", "Inc.", "Ltd", "S.A.", "d.o.o."];
const FIRST_NAMES: &[&str] = &["Dana", "Ada", "Björn", "Chloé", "Emeka", "Fatima", "Grzegorz", "Hana", "Iris", "José", "Keiko", "Liam"];
const LAST_NAMES: &[&str] = &["Novák", "Okafor", "Schmidt", "Rossi", "Tanaka", "O'Neill", "García", "Lindqvist", "Haddad", "Kowalska"];
const COUNTRIES: &[&str] = &["DE", "FR", "US", "GB", "JP", "BR", "PL", "SE", "IT", "ZA"];
const PLANS: &[&str] = &["free", "team", "enterprise"];
const DEPARTMENTS: &[&str] = &["engineering", "sales", "finance", "support", "legal", "R&D"];
const SYSTEMS: &[&str] = &["windows", "macos", "linux", "ios", "android"];
const DEVICE_NAMES: &[&str] = &["laptop", "phone", "workstation", "14\" tablet"];

#[derive(Debug, Clone, Copy)]
enum Entity {
    Organisation(Organisation),
    User(User),
    Device(Device),
}

pub fn make(seed: u64, number: u64, record: &mut Record) -> Content {
    let mut dice = Dice::new(seed, Lane::Management, number);
    if number < INVENTORY_RECORDS {
        return write_state(seed, number, Entity::at(number), &mut dice, record);
    }
    let broken = breakage::draw(&mut dice);
    let entity = Entity::at(dice.below(INVENTORY_RECORDS));
    let content = match entity {
        Entity::User(_) | Entity::Device(_) if dice.below(TOMBSTONES_ONE_IN) == 0 => write_tombstone(number, entity, record),
        _ => write_state(seed, number, entity, &mut dice, record),
    };
    match broken {
        None => content,
        Some(breakage) => {
            breakage::apply(breakage, &mut dice, &mut record.payload);
            Content::Broken(breakage)
        }
    }
}

fn write_state(seed: u64, number: u64, entity: Entity, dice: &mut Dice, record: &mut Record) -> Content {
    let mut object = ObjectWriter::new(&mut record.payload);
    write_common(&mut object, number, entity, &mut record.key);
    match entity {
        Entity::Organisation(organisation) => write_organisation(&mut object, seed, organisation, dice),
        Entity::User(user) => write_user(&mut object, seed, number, user, dice),
        Entity::Device(device) => write_device(&mut object, seed, device, dice),
    }
    object.end();
    Content::Upsert(entity.kind())
}

fn write_tombstone(number: u64, entity: Entity, record: &mut Record) -> Content {
    let mut object = ObjectWriter::new(&mut record.payload);
    write_common(&mut object, number, entity, &mut record.key);
    object.boolean("deleted", true);
    object.end();
    Content::Tombstone(entity.kind())
}

fn write_common(object: &mut ObjectWriter<'_>, number: u64, entity: Entity, key: &mut Vec<u8>) {
    let (prefix, id) = entity.id();
    key.extend_from_slice(prefix.as_bytes());
    write_whole(key, id);
    object.text("kind", entity.kind().as_str());
    object.tagged("id", prefix, id);
    object.whole("tenant_id", entity.organisation().tenant_id());
    object.time("updated_at", updated_at_millis(number));
}

fn updated_at_millis(number: u64) -> i64 {
    match number.checked_sub(INVENTORY_RECORDS) {
        None => INVENTORY_BEGIN_MILLIS + (number * INVENTORY_STEP_MILLIS) as i64,
        Some(change) => BEGIN_MILLIS + (change % CHANGES_UNTIL_TIME_REPEATS * CHANGE_STEP_MILLIS) as i64,
    }
}

/// What `seed` settles stays with the organisation; what `dice` settles is new with each record. So for users and devices.
fn write_organisation(object: &mut ObjectWriter<'_>, seed: u64, organisation: Organisation, dice: &mut Dice) {
    let mut lasting = Dice::new(seed, Lane::Organisation, organisation.0);
    object.text("name", &format!("{} {}", lasting.pick(COMPANIES), lasting.pick(COMPANY_FORMS)));
    object.text("country", lasting.pick(COUNTRIES));
    object.text("plan", dice.pick(PLANS));
    object.whole("seats", 5 + dice.below(500));
}

fn write_user(object: &mut ObjectWriter<'_>, seed: u64, number: u64, user: User, dice: &mut Dice) {
    let mut lasting = Dice::new(seed, Lane::User, user.0);
    object.text("name", &format!("{} {}", lasting.pick(FIRST_NAMES), lasting.pick(LAST_NAMES)));
    object.text("email", &format!("user{}@org-{}.example", user.0, user.organisation().tenant_id()));
    object.text("department", dice.pick(DEPARTMENTS));
    object.text("country", dice.pick(COUNTRIES));
    object.tagged("device_id", "dev-", user.first_device().0);
    if number >= INVENTORY_RECORDS {
        object.boolean("mfa", dice.below(2) == 0);
    }
}

fn write_device(object: &mut ObjectWriter<'_>, seed: u64, device: Device, dice: &mut Dice) {
    let mut lasting = Dice::new(seed, Lane::Device, device.0);
    object.tagged("user_id", "usr-", device.user().0);
    object.text("os", lasting.pick(SYSTEMS));
    object.text("name", dice.pick(DEVICE_NAMES));
    object.address("ip", device.address());
}

impl Entity {
    /// The one at a place of the inventory.
    fn at(place: u64) -> Entity {
        match place {
            0..ORGANISATIONS => Entity::Organisation(Organisation(place)),
            ORGANISATIONS..USERS_END => Entity::User(User(place - ORGANISATIONS)),
            _ => Entity::Device(Device(place - USERS_END)),
        }
    }

    fn kind(self) -> EntityKind {
        match self {
            Entity::Organisation(_) => EntityKind::Organisation,
            Entity::User(_) => EntityKind::User,
            Entity::Device(_) => EntityKind::Device,
        }
    }

    /// The two parts of its id.
    fn id(self) -> (&'static str, u64) {
        match self {
            Entity::Organisation(organisation) => ("org-", organisation.tenant_id()),
            Entity::User(user) => ("usr-", user.0),
            Entity::Device(device) => ("dev-", device.0),
        }
    }

    fn organisation(self) -> Organisation {
        match self {
            Entity::Organisation(organisation) => organisation,
            Entity::User(user) => user.organisation(),
            Entity::Device(device) => device.user().organisation(),
        }
    }
}

//! What is there before the first order: regions and nations, suppliers, customers, parts and who supplies them.

use super::super::random::Random;
use super::row::Row;
use super::table::{CUSTOMER, NATION, PART, PARTSUPP, REGION, SUPPLIER};
use super::text::{COLOURS, CONTAINERS, NATIONS, NATIONS_ROUND, REGIONS, SEGMENTS, TYPES, address, comment, phone, supplier_comment};

pub const SUPPLIERS_PER_PART: usize = 4;

pub fn regions(random: &mut Random) -> Vec<Row> {
    let named = (0..).zip(REGIONS);
    named.map(|(key, name)| Row::new(REGION, [i64::into(key), name.into(), comment(random).into()])).collect()
}

pub fn nations(random: &mut Random) -> Vec<Row> {
    let named = (0..).zip(NATIONS);
    named.map(|(key, (name, region))| Row::new(NATION, [i64::into(key), name.into(), region.into(), comment(random).into()])).collect()
}

/// Keys count from 1.
pub fn supplier(random: &mut Random, key: i64) -> Row {
    let nation = nation_of(key);
    let values = [
        key.into(),
        format!("Supplier#{key:09}").into(),
        address(random).into(),
        nation.into(),
        phone(random, nation).into(),
        balance(random).into(),
        supplier_comment(random).into(),
    ];
    Row::new(SUPPLIER, values)
}

pub fn customer(random: &mut Random, key: i64) -> Row {
    let nation = nation_of(key);
    let values = [
        key.into(),
        format!("Customer#{key:09}").into(),
        address(random).into(),
        nation.into(),
        phone(random, nation).into(),
        balance(random).into(),
        random.pick(SEGMENTS).into(),
        comment(random).into(),
    ];
    Row::new(CUSTOMER, values)
}

pub fn part(random: &mut Random, key: i64) -> Row {
    let manufacturer = random.between(1, 5);
    let name: Vec<_> = (0..5).map(|_| random.pick(COLOURS)).collect();
    let values = [
        key.into(),
        name.join(" ").into(),
        format!("Manufacturer#{manufacturer}").into(),
        format!("Brand#{manufacturer}{}", random.between(1, 5)).into(),
        TYPES.map(|words| random.pick(words)).join(" ").into(),
        random.between(1, 50).into(),
        CONTAINERS.map(|words| random.pick(words)).join(" ").into(),
        (90_000 + key / 10 % 20_001 + 100 * (key % 1000)).into(),
        comment(random).into(),
    ];
    Row::new(PART, values)
}

/// One for each supplier of a part; there are at least four suppliers.
pub fn part_suppliers(random: &mut Random, part: i64, suppliers: usize) -> Vec<Row> {
    let first = random.below(suppliers);
    let keys = (0..SUPPLIERS_PER_PART).map(|turn| (first + turn * (suppliers / SUPPLIERS_PER_PART)) % suppliers + 1);
    let rows = keys.map(|supplier| {
        let (available, cost) = (random.between(1, 9_999), random.between(100, 100_000));
        Row::new(PARTSUPP, [part.into(), (supplier as i64).into(), available.into(), cost.into(), comment(random).into()])
    });
    rows.collect()
}

/// In cents, sometimes below nothing.
pub fn balance(random: &mut Random) -> i64 {
    random.between(-99_999, 999_999)
}

fn nation_of(key: i64) -> i64 {
    NATIONS_ROUND[(key - 1) as usize % NATIONS_ROUND.len()]
}

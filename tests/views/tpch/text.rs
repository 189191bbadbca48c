//! The words of the shop.

use super::super::random::Random;

pub const REGIONS: [&str; 5] = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"];

/// Each with its region.
pub const NATIONS: [(&str, i64); 25] = [
    ("ALGERIA", 0),
    ("ARGENTINA", 1),
    ("BRAZIL", 1),
    ("CANADA", 1),
    ("EGYPT", 4),
    ("ETHIOPIA", 0),
    ("FRANCE", 3),
    ("GERMANY", 3),
    ("INDIA", 2),
    ("INDONESIA", 2),
    ("IRAN", 4),
    ("IRAQ", 4),
    ("JAPAN", 2),
    ("JORDAN", 4),
    ("KENYA", 0),
    ("MOROCCO", 0),
    ("MOZAMBIQUE", 0),
    ("PERU", 1),
    ("CHINA", 2),
    ("ROMANIA", 3),
    ("SAUDI ARABIA", 4),
    ("VIETNAM", 2),
    ("RUSSIA", 3),
    ("UNITED KINGDOM", 3),
    ("UNITED STATES", 1),
];

/// In which order suppliers and customers go round the nations: those that the queries name come first.
pub const NATIONS_ROUND: [i64; 25] = [7, 6, 20, 3, 2, 18, 12, 8, 23, 9, 24, 0, 4, 19, 21, 1, 14, 10, 22, 17, 5, 11, 13, 15, 16];

pub const SEGMENTS: &[&str] = &["AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"];
pub const PRIORITIES: &[&str] = &["1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW"];
pub const INSTRUCTIONS: &[&str] = &["COLLECT COD", "DELIVER IN PERSON", "NONE", "TAKE BACK RETURN"];
pub const MODES: &[&str] = &["AIR", "FOB", "MAIL", "RAIL", "REG AIR", "SHIP", "TRUCK"];
pub const TYPES: [&[&str]; 3] = [
    &["ECONOMY", "LARGE", "MEDIUM", "PROMO", "SMALL", "STANDARD"],
    &["ANODIZED", "BRUSHED", "BURNISHED", "PLATED", "POLISHED"],
    &["BRASS", "COPPER", "NICKEL", "STEEL", "TIN"],
];
pub const CONTAINERS: [&[&str]; 2] = [&["JUMBO", "LG", "MED", "SM", "WRAP"], &["BAG", "BOX", "CAN", "CASE", "DRUM", "JAR", "PACK", "PKG"]];
pub const COLOURS: &[&str] = &[
    "almond",
    "azure",
    "blue",
    "brown",
    "chartreuse",
    "coral",
    "cornsilk",
    "cream",
    "cyan",
    "forest",
    "frosted",
    "gainsboro",
    "ghost",
    "gold",
    "green",
    "honeydew",
    "indian",
    "ivory",
    "khaki",
    "lace",
    "lime",
    "linen",
    "maroon",
    "metallic",
    "navy",
    "olive",
    "orchid",
    "peach",
    "plum",
    "purple",
    "red",
    "rosy",
    "saddle",
    "sienna",
    "snow",
    "tan",
    "tomato",
    "turquoise",
    "violet",
    "wheat",
];
const WORDS: &[&str] = &[
    "accounts",
    "always",
    "asymptotes",
    "bold",
    "carefully",
    "deposits",
    "dolphins",
    "even",
    "final",
    "foxes",
    "furiously",
    "ideas",
    "instructions",
    "ironic",
    "packages",
    "pending",
    "pinto",
    "quickly",
    "requests",
    "sleep",
    "slyly",
    "special",
    "theodolites",
    "unusual",
];

/// Some words. One in ten has "special … requests" in it, as a customer's query looks for.
pub fn comment(random: &mut Random) -> String {
    let some = |random: &mut Random| (0..random.between(1, 4)).map(|_| random.pick(WORDS)).collect::<Vec<_>>().join(" ");
    let (before, after) = (some(random), some(random));
    match random.one_in(10) {
        true => format!("{before} special {after} requests"),
        false => format!("{before} {after}"),
    }
}

/// A supplier's: one in ten with complaints, one in ten with recommendations.
pub fn supplier_comment(random: &mut Random) -> String {
    let comment = comment(random);
    match random.below(10) {
        0 => format!("{comment} Customer {} Complaints", random.pick(WORDS)),
        1 => format!("{comment} Customer {} Recommends", random.pick(WORDS)),
        _ => comment,
    }
}

pub fn address(random: &mut Random) -> String {
    format!("{} {} {}", random.between(1, 999), random.pick(COLOURS), random.pick(&["alley", "lane", "road", "street"]))
}

/// Begins with the country's code, 10 + nation.
pub fn phone(random: &mut Random, nation: i64) -> String {
    format!("{}-{}-{}-{}", 10 + nation, random.between(100, 999), random.between(100, 999), random.between(1000, 9999))
}

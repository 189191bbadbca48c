//! All relations at one moment, with the OIDs that tie the catalog's tables together.

use std::collections::HashSet;

use super::{RelationInfo, Relations};

pub const OID_SCHEMA_PG_CATALOG: i32 = 11;
pub const OID_SCHEMA_PUBLIC: i32 = 2200;
/// PostgreSQL's bootstrap superuser, who owns everything here.
pub const OID_OWNER: i32 = 10;
/// Below are PostgreSQL's own objects.
const OID_USER_FIRST: u32 = 16_384;

const SYSTEM_SCHEMAS: [&str; 2] = ["pg_catalog", "information_schema"];

pub struct Snapshot {
    pub schemas: Vec<SchemaEntry>,
}

pub struct SchemaEntry {
    pub oid: i32,
    pub name: String,
    pub relations: Vec<RelationEntry>,
}

pub struct RelationEntry {
    pub oid: i32,
    pub info: RelationInfo,
}

impl Snapshot {
    /// OIDs are made of names, so all connections and nodes agree on them without keeping any. Names are taken in order, so
    /// that those which collide get the same ones each time.
    pub fn take(relations: &dyn Relations) -> Snapshot {
        let mut taken = HashSet::new();
        let mut names = relations.schemas();
        names.retain(|name| !SYSTEM_SCHEMAS.contains(&name.as_str()));
        names.extend(SYSTEM_SCHEMAS.map(str::to_string));
        names.sort();
        names.dedup();
        let schemas = names.into_iter().map(|name| {
            let mut infos = match SYSTEM_SCHEMAS.contains(&name.as_str()) {
                true => vec![],
                false => relations.relations(&name),
            };
            infos.sort_by(|a, b| a.name.cmp(&b.name));
            let oid = match name.as_str() {
                "pg_catalog" => OID_SCHEMA_PG_CATALOG,
                "public" => OID_SCHEMA_PUBLIC,
                other => free_oid(&[other], &mut taken),
            };
            let entry = |info: RelationInfo| RelationEntry { oid: free_oid(&[&name, &info.name], &mut taken), info };
            let relations = infos.into_iter().map(entry).collect();
            SchemaEntry { oid, relations, name }
        });
        Snapshot { schemas: schemas.collect() }
    }

    pub fn relations(&self) -> impl Iterator<Item = (&SchemaEntry, &RelationEntry)> {
        self.schemas.iter().flat_map(|schema| schema.relations.iter().map(move |relation| (schema, relation)))
    }
}

pub fn database_oid(name: &str) -> i32 {
    free_oid(&["database", "", name], &mut HashSet::new())
}

fn free_oid(path: &[&str], taken: &mut HashSet<i32>) -> i32 {
    let span = i32::MAX as u32 - OID_USER_FIRST;
    let mut oid = (OID_USER_FIRST + hash(path) % span) as i32;
    while !taken.insert(oid) {
        oid = if oid == i32::MAX { OID_USER_FIRST as i32 } else { oid + 1 };
    }
    oid
}

/// FNV-1a: the same on every machine and in every version.
fn hash(path: &[&str]) -> u32 {
    let bytes = path.iter().flat_map(|part| part.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ byte as u64).wrapping_mul(0x0000_0100_0000_01b3));
    (hash >> 32) as u32 ^ hash as u32
}

//! The dataset `network`: what the points of presence of a small network-security company send, and what its management plane knows.
//!
//! # Events
//! About 310 bytes of flat JSON each. Record *k* has an `event_time` of 2026-01-01T00:00:00Z + *k* × 2592 ms + up to 5 s, so 100,000 records span
//! three days and neighbours are slightly out of order. (After a thousand million records, 82 years, time begins again.) The key is the `tenant_id` as text.
//!
//! | field | type | in | remarks |
//! |---|---|---|---|
//! | `event_id` | UUID as text | all | unique within a seed |
//! | `event_type` | text | all | connect 25 %, disconnect 20 %, dns 35 %, auth 12 %, security 8 % |
//! | `event_time` | ISO 8601, milliseconds, Z | all | |
//! | `tenant_id` | 1 … 100 | all | low numbers are busier |
//! | `pop` | text, 100 different | all | `fra1` |
//! | `user_id`, `device_id` | text | all | `usr-17`, `dev-35`: ids of the management stream. In 1 of 50 dns events `user_id` is null |
//! | `src_ip` | text | all | the device's address |
//! | `protocol`, `dst_ip`, `dst_port` | text, text, integer | connect, disconnect | |
//! | `bytes_in`, `bytes_out` | integer | connect, disconnect | |
//! | `duration_ms` | double | disconnect | |
//! | `query`, `rcode`, `resolver` | text | dns | |
//! | `method`, `success`, `application` | text, boolean, text | auth | some applications have escapes and letters beyond ASCII |
//! | `severity`, `action`, `violation` | text, text, boolean | security | severity high: 1 in 10; a violation: 1 in 20 |
//! | `policy_id` | integer, later text | security | see below |
//! | `details` | object: `rule`, `hits`, `labels` (array), `note` | security | |
//!
//! Drift, by the record's number:
//!
//! | from record | what changes |
//! |---|---|
//! | 2,000 | connect has `client_version`, text |
//! | 4,000 | half of the `policy_id` are text (`"pol-17"`), the others still numbers (`17`) |
//! | 8,000 | connect has `tls`, an object of `version` and `cipher` |
//! | 20,000 | security has `risk_score`, double |
//! | 30,000 | all `policy_id` are text |
//!
//! # Management
//! Organisations, users and devices; the key is `id`. The first 6,100 records are all 100 organisations, 2,000 users (20 of each organisation) and 4,000
//! devices (2 of each user), in this order. Each later one is the new state of a random one of them, or (1 in 25, users and devices only) its
//! tombstone, after which it may come back. Organisation *t*'s users are `usr-20(t−1)` … `usr-20(t−1)+19`, user *u*'s devices `dev-2u` and `dev-2u+1`.
//!
//! | field | in | remarks |
//! |---|---|---|
//! | `kind` | all | `organisation`, `user`, `device` |
//! | `id` | all | `org-1`, `usr-17`, `dev-35` |
//! | `tenant_id` | all | |
//! | `updated_at` | all | rises with the record's number; the first 6,100 are before the first event |
//! | `deleted` | tombstones | `true`; a tombstone has only these five fields |
//! | `name`, `country`, `plan`, `seats` | organisation | |
//! | `name`, `email`, `department`, `country`, `device_id` | user | `device_id` is the first device. From record 6,100 on also `mfa`, boolean |
//! | `user_id`, `name`, `os`, `ip` | device | `ip` is the `src_ip` of its events |
//!
//! # Broken records
//! 5 in 1000 of the events, and of the management records after the first 6,100, are broken, in four ways in equal shares: cut off, not JSON at all, not
//! UTF-8 (the first value begins with the byte FF), a JSON array. None of them can be read as a JSON object, whichever fields are asked for.

pub mod event;
pub mod management;

mod breakage;
mod world;

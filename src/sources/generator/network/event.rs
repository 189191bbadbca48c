//! The events of the points of presence: five types, each with its own fields, and the drift that nobody announces.

use std::net::Ipv4Addr;

use super::super::dice::{Dice, Lane};
use super::super::json_writer::{ObjectWriter, write_whole};
use super::super::record::{Content, EventKind, Record};
use super::breakage;
use super::world::{BEGIN_MILLIS, CITIES, Device, POPS_PER_CITY};

const STEP_MILLIS: u64 = 2592;
const JITTER_MILLIS: u64 = 5000;
/// Years have four digits.
const RECORDS_UNTIL_TIME_REPEATS: u64 = 1_000_000_000;

const CLIENT_VERSION_FROM: u64 = 2_000;
const POLICY_TEXT_FROM: u64 = 4_000;
const TLS_FROM: u64 = 8_000;
const RISK_SCORE_FROM: u64 = 20_000;
const POLICY_TEXT_ONLY_FROM: u64 = 30_000;

const CLIENT_VERSIONS: &[&str] = &["4.1.0", "4.1.2", "4.2.0", "5.0.0-rc1"];
const PROTOCOLS: &[&str] = &["tcp", "tcp", "tcp", "udp", "quic"];
const PORTS: &[u64] = &[443, 443, 443, 80, 22, 53, 3389, 5432, 8080, 8443];
const REASONS: &[&str] = &["closed", "idle", "reset", "roamed"];
const HOSTS: &[&str] =
    &["api.github.example", "jenkins.corp.example", "mail.example", "cdn.video.example", "wiki.corp.example", "ntp.example"];
const RCODES: &[&str] = &["NOERROR", "NOERROR", "NOERROR", "NOERROR", "NXDOMAIN", "SERVFAIL"];
const RESOLVERS: &[&str] = &["10.0.0.53", "10.0.1.53"];
const METHODS: &[&str] = &["password", "passkey", "saml", "oidc"];
const APPLICATIONS: &[&str] = &["Jenkins", "Grafana", "Wiki", "Büro-Portal", "Finance \"EMEA\"", "files\\share", "社内ポータル"];
const SEVERITIES: &[&str] = &["low", "low", "low", "low", "low", "medium", "medium", "medium", "medium", "high"];
const ACTIONS: &[&str] = &["allow", "alert", "block"];
const LABELS: &[&str] = &["malware", "phishing", "exfiltration", "policy", "scan"];
const NOTES: &[&str] = &["", "blocked by \"default deny\"", "first seen", "C:\\temp\\setup.exe", "überprüfen"];
const CIPHERS: &[&str] = &["AES_128_GCM", "AES_256_GCM", "CHACHA20"];

pub fn make(seed: u64, number: u64, record: &mut Record) -> Content {
    let mut dice = Dice::new(seed, Lane::Event, number);
    let broken = breakage::draw(&mut dice);
    let device = Device::at_work(&mut dice);
    let tenant = device.user().organisation().tenant_id();
    write_whole(&mut record.key, tenant);
    let (kind, bytes_in) = write(&mut dice, number, device, &mut record.payload);
    match broken {
        None => Content::Event { kind, bytes_in },
        Some(breakage) => {
            breakage::apply(breakage, &mut dice, &mut record.payload);
            Content::Broken(breakage)
        }
    }
}

/// Writes the event; returns its type and its `bytes_in`, 0 if it has none.
fn write(dice: &mut Dice, number: u64, device: Device, payload: &mut Vec<u8>) -> (EventKind, u64) {
    let mut event = ObjectWriter::new(payload);
    let kind = draw_kind(dice);
    write_common(&mut event, dice, number, kind, device);
    let bytes_in = match kind {
        EventKind::Connect => write_connect(&mut event, dice, number),
        EventKind::Disconnect => write_disconnect(&mut event, dice),
        EventKind::Dns => write_dns(&mut event, dice),
        EventKind::Auth => write_auth(&mut event, dice),
        EventKind::Security => write_security(&mut event, dice, number),
    };
    event.end();
    (kind, bytes_in)
}

fn draw_kind(dice: &mut Dice) -> EventKind {
    match dice.below(100) {
        0..25 => EventKind::Connect,
        25..45 => EventKind::Disconnect,
        45..80 => EventKind::Dns,
        80..92 => EventKind::Auth,
        _ => EventKind::Security,
    }
}

fn write_common(event: &mut ObjectWriter<'_>, dice: &mut Dice, number: u64, kind: EventKind, device: Device) {
    let user = device.user();
    let since_begin = number % RECORDS_UNTIL_TIME_REPEATS * STEP_MILLIS + dice.below(JITTER_MILLIS);
    event.uuid("event_id", dice.identity(), dice.next());
    event.text("event_type", kind.as_str());
    event.time("event_time", BEGIN_MILLIS + since_begin as i64);
    event.whole("tenant_id", user.organisation().tenant_id());
    event.tagged("pop", dice.pick(CITIES), 1 + dice.below(POPS_PER_CITY));
    match kind {
        EventKind::Dns if dice.below(50) == 0 => event.null("user_id"),
        _ => event.tagged("user_id", "usr-", user.0),
    }
    event.tagged("device_id", "dev-", device.0);
    event.address("src_ip", device.address());
}

fn write_connect(event: &mut ObjectWriter<'_>, dice: &mut Dice, number: u64) -> u64 {
    let bytes_in = write_traffic(event, dice, 14);
    if number >= CLIENT_VERSION_FROM {
        event.text("client_version", dice.pick(CLIENT_VERSIONS));
    }
    if number >= TLS_FROM {
        event.object("tls", |tls| {
            tls.text("version", if dice.below(10) < 8 { "1.3" } else { "1.2" });
            tls.text("cipher", dice.pick(CIPHERS));
        });
    }
    bytes_in
}

fn write_disconnect(event: &mut ObjectWriter<'_>, dice: &mut Dice) -> u64 {
    let bytes_in = write_traffic(event, dice, 30);
    event.decimal("duration_ms", dice.skewed(34));
    event.text("reason", dice.pick(REASONS));
    bytes_in
}

/// Sizes are below 2^`size_bits`.
fn write_traffic(event: &mut ObjectWriter<'_>, dice: &mut Dice, size_bits: u64) -> u64 {
    let bytes_in = dice.skewed(size_bits);
    event.text("protocol", dice.pick(PROTOCOLS));
    event.address("dst_ip", public_address(dice));
    event.whole("dst_port", PORTS[dice.below(PORTS.len() as u64) as usize]);
    event.whole("bytes_in", bytes_in);
    event.whole("bytes_out", dice.skewed(size_bits));
    bytes_in
}

/// An address from the blocks that are kept for documentation (RFC 5737).
fn public_address(dice: &mut Dice) -> Ipv4Addr {
    let host = dice.below(256) as u8;
    match dice.below(2) {
        0 => Ipv4Addr::new(198, 51, 100, host),
        _ => Ipv4Addr::new(203, 0, 113, host),
    }
}

fn write_dns(event: &mut ObjectWriter<'_>, dice: &mut Dice) -> u64 {
    event.text("query", dice.pick(HOSTS));
    event.text("rcode", dice.pick(RCODES));
    event.text("resolver", dice.pick(RESOLVERS));
    0
}

fn write_auth(event: &mut ObjectWriter<'_>, dice: &mut Dice) -> u64 {
    event.text("method", dice.pick(METHODS));
    event.boolean("success", dice.below(10) < 9);
    event.text("application", dice.pick(APPLICATIONS));
    0
}

fn write_security(event: &mut ObjectWriter<'_>, dice: &mut Dice, number: u64) -> u64 {
    event.text("severity", dice.pick(SEVERITIES));
    write_policy(event, dice, number);
    event.text("action", dice.pick(ACTIONS));
    event.boolean("violation", dice.below(20) == 0);
    if number >= RISK_SCORE_FROM {
        event.decimal("risk_score", dice.below(1001));
    }
    event.object("details", |details| {
        details.tagged("rule", "R-", dice.below(40));
        details.whole("hits", 1 + dice.skewed(8));
        details.texts("labels", &[dice.pick(LABELS), dice.pick(LABELS)]);
        details.text("note", dice.pick(NOTES));
    });
    0
}

/// The field that changes its type.
fn write_policy(event: &mut ObjectWriter<'_>, dice: &mut Dice, number: u64) {
    let policy = 1 + dice.below(30);
    let as_text = match number {
        0..POLICY_TEXT_FROM => false,
        POLICY_TEXT_FROM..POLICY_TEXT_ONLY_FROM => dice.below(2) == 0,
        _ => true,
    };
    match as_text {
        false => event.whole("policy_id", policy),
        true => event.tagged("policy_id", "pol-", policy),
    }
}

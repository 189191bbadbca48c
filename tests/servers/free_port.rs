//! A TCP port that nobody listens on.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::Mutex;

/// The kernel may offer a port again before the first who got it listens; within this process no port is given twice.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

pub fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has free ports");
        let port = listener.local_addr().expect("a bound listener has an address").port();
        if GIVEN.lock().expect("no holder panics").insert(port) {
            return port;
        }
    }
}

#[test]
fn no_port_is_given_twice() {
    let ports: BTreeSet<u16> = (0..50).map(|_| free_port()).collect();
    assert_eq!(ports.len(), 50);
}

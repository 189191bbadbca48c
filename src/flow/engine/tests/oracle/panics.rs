//! Panics of a case: caught, and so not printed, but remembered.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    static LAST: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The threads that run cases are called so.
pub const THREAD_NAME: &str = "oracle";

/// From now on panics of those threads are quiet.
pub fn catch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| match std::thread::current().name() {
            Some(THREAD_NAME) => LAST.set(info.to_string()),
            _ => loud(info),
        }));
    });
}

/// Where the last one of this thread was, and its message.
pub fn last() -> String {
    LAST.with_borrow(String::clone)
}

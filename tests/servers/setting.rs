//! What long forms of tests are told: numbers in the environment.

#[allow(clippy::disallowed_methods, reason = "a test has no configuration of the server's kind")]
pub fn setting(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text}")))
}

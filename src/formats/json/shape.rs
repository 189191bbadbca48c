//! What records look like, learned from those that came before: every key remembers the keys that came right after it, as they are
//! written, from the comma to the value. So a record that looks like an earlier one costs one comparison per key, whether its event type
//! alternates with others, leaves a field out, or has blanks behind its commas.
//!
//! A shape only ever saves work: what it says of a key is what reading the key would say.

use std::collections::HashMap;
use std::sync::Arc;

use super::fields::Place;

/// Keys that are remembered, all event types together.
const STEPS_MAX: usize = 4096;
/// Keys that may come after a key.
const FOLLOWERS_MAX: usize = 8;
/// A key with its comma, colon and blanks; longer ones are read each time.
const LITERAL_BYTES_MAX: usize = 192;
/// A batch that surprises this often per record forgets everything: the stream has changed.
const SURPRISES_PER_RECORD_MAX: usize = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepId(u32);

/// Right behind the `{` of the record.
pub const ROOT: StepId = StepId(0);
/// Behind a key that is not remembered.
const UNKNOWN: StepId = StepId(1);

/// A key of a record.
struct Step {
    literal: Literal,
    /// The key with the objects it stands in, unescaped, in its own spelling.
    name: Arc<str>,
    place: Place,
    /// The steps that came next.
    followers: Vec<StepId>,
    /// What stands for the `{` of the object that is this key's value, where objects become columns.
    inside: Option<StepId>,
}

pub struct Shapes {
    steps: Vec<Step>,
    /// The step of a literal within an object: the object's opening step in four bytes, then the literal.
    known: HashMap<Box<[u8]>, StepId>,
    surprises: usize,
}

impl Shapes {
    pub fn new() -> Shapes {
        let mut shapes = Shapes { steps: Vec::new(), known: HashMap::new(), surprises: 0 };
        shapes.forget();
        shapes
    }

    pub fn forget(&mut self) {
        self.known.clear();
        self.steps.clear();
        self.steps.extend([Step::opening(), Step::opening()]);
        self.surprises = 0;
    }

    /// After a batch.
    pub fn reconsider(&mut self, records: usize) {
        if self.surprises > records.saturating_mul(SURPRISES_PER_RECORD_MAX) {
            self.forget();
        }
        self.surprises = 0;
    }

    /// The step whose literal stands at `at`, of those that came after `before`, and where its value begins.
    #[inline]
    pub fn follow(&self, before: StepId, bytes: &[u8], at: usize) -> Option<(StepId, usize)> {
        let rest = &bytes[at..];
        let head = rest.first_chunk::<HEAD_BYTES>().map(|head| u128::from_le_bytes(*head));
        self.steps[before.0 as usize].followers.iter().find_map(|follower| {
            let literal = &self.steps[follower.0 as usize].literal;
            literal.begins(head, rest).then_some((*follower, at + literal.bytes.len()))
        })
    }

    #[inline]
    pub fn place(&self, step: StepId) -> Place {
        self.steps[step.0 as usize].place
    }

    pub fn name(&self, step: StepId) -> Arc<str> {
        self.steps[step.0 as usize].name.clone()
    }

    /// The field has got a column.
    pub fn set_place(&mut self, step: StepId, place: Place) {
        self.steps[step.0 as usize].place = place;
    }

    /// A key was read that no step foretold. Remembers it, and gives the step to go on from.
    pub fn learn(&mut self, opened: StepId, before: StepId, literal: &str, name: &str, place: Place) -> StepId {
        self.surprises += 1;
        if literal.len() > LITERAL_BYTES_MAX || opened == UNKNOWN {
            return UNKNOWN;
        }
        let key = [&opened.0.to_le_bytes(), literal.as_bytes()].concat().into_boxed_slice();
        let step = match self.known.get(&key) {
            Some(step) => *step,
            None if self.steps.len() >= STEPS_MAX => return UNKNOWN,
            None => {
                let step = self.add(Step { literal: Literal::new(literal), name: name.into(), place, ..Step::opening() });
                self.known.insert(key, step);
                step
            }
        };
        let followers = &mut self.steps[before.0 as usize].followers;
        if before != UNKNOWN && followers.len() < FOLLOWERS_MAX {
            followers.push(step);
        }
        step
    }

    /// The step that opens the object which is the value of `step`.
    pub fn enter(&mut self, step: StepId) -> StepId {
        match self.steps[step.0 as usize].inside {
            Some(inside) => inside,
            None if step == UNKNOWN || self.steps.len() >= STEPS_MAX => UNKNOWN,
            None => {
                let inside = self.add(Step::opening());
                self.steps[step.0 as usize].inside = Some(inside);
                inside
            }
        }
    }

    fn add(&mut self, step: Step) -> StepId {
        self.steps.push(step);
        StepId(self.steps.len() as u32 - 1)
    }
}

impl Step {
    /// A step that stands for a `{`: it has no literal and is never followed to.
    fn opening() -> Step {
        Step { literal: Literal::new(""), name: "".into(), place: Place::Skipped, followers: Vec::new(), inside: None }
    }
}

const HEAD_BYTES: usize = 16;

/// Bytes to compare with, the first sixteen of them in one go.
struct Literal {
    head: u128,
    mask: u128,
    bytes: Box<[u8]>,
}

impl Literal {
    fn new(text: &str) -> Literal {
        let len = text.len().min(HEAD_BYTES);
        let mut head = [0; HEAD_BYTES];
        head[..len].copy_from_slice(&text.as_bytes()[..len]);
        let mut mask = [0; HEAD_BYTES];
        mask[..len].fill(0xff);
        Literal { head: u128::from_le_bytes(head), mask: u128::from_le_bytes(mask), bytes: text.as_bytes().into() }
    }

    /// Whether `rest` begins with it. `head` is the head of `rest`, if that is so long.
    #[inline]
    fn begins(&self, head: Option<u128>, rest: &[u8]) -> bool {
        match head {
            Some(head) => {
                head & self.mask == self.head
                    && (self.bytes.len() <= HEAD_BYTES || rest[HEAD_BYTES..].starts_with(&self.bytes[HEAD_BYTES..]))
            }
            None => rest.starts_with(&self.bytes),
        }
    }
}

//! Texts of the simple protocol that look rows up by key, by what they are without their literals: one that is like another before it is
//! answered without being parsed.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::{Outcome, Prepared, Session};
use crate::sql::Template;

/// A client that writes ever new statements begins anew.
const TEMPLATES_MAX: usize = 256;

/// `None` for a template that is no look-up, though a text of it was one: its literals do not stand for keys alone.
#[derive(Default)]
pub struct Templates(Mutex<HashMap<String, Option<Arc<Prepared>>>>);

impl Session {
    /// Answers a text that is like one before. `None` where it is none, or something has changed since: then it is to be prepared.
    pub fn answer_alike(&self, sql: &str) -> Option<Outcome> {
        let template = Template::of(sql)?;
        let prepared = self.templates.0.lock().get(&template.text).cloned().flatten()?;
        self.answer_now(&prepared, &template.literals).ok().flatten()
    }

    /// Has texts that are like this one, which was prepared, answered at once from now on, if that can be.
    pub async fn learn_alike(&self, sql: &str, prepared: &Prepared) {
        let Some(template) = prepared.look_up().and_then(|_| Template::of(sql)) else { return };
        // One that is known and does not stand any more was about something else of that name.
        let catalog = self.services.flow.catalog.snapshot();
        let stands =
            |known: &Option<Arc<Prepared>>| known.as_ref().is_none_or(|known| known.look_up().is_some_and(|known| known.stands(&catalog)));
        if self.templates.0.lock().get(&template.text).is_some_and(stands) {
            return;
        }
        let asks_for_all = |prepared: &Prepared| prepared.look_up().is_some_and(|look_up| look_up.parameters() == template.literals.len());
        let alike = self.prepare(&template.text, &[]).await.ok().filter(asks_for_all).map(Arc::new);
        let mut known = self.templates.0.lock();
        if known.len() >= TEMPLATES_MAX {
            known.clear();
        }
        known.insert(template.text, alike);
    }
}

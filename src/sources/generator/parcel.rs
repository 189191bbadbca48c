//! Several events in one record of a stream, each on a line, as producers that batch put them.

use super::record::Record;

pub struct Parcel {
    /// The lines, and the key of the first.
    record: Record,
    events: u64,
    events_max: u64,
}

impl Parcel {
    pub fn of(events_max: u64) -> Parcel {
        Parcel { record: Record::default(), events: 0, events_max }
    }

    pub fn add(&mut self, event: &Record) {
        match self.events {
            0 => self.record.key.extend_from_slice(&event.key),
            _ => self.record.payload.push(b'\n'),
        }
        self.record.payload.extend_from_slice(&event.payload);
        self.events += 1;
    }

    pub fn is_full(&self) -> bool {
        self.events == self.events_max
    }

    /// What was added since the last time, if anything was.
    pub fn take(&mut self) -> Option<Record> {
        let events = std::mem::take(&mut self.events);
        (events > 0).then(|| std::mem::take(&mut self.record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_go_together_until_it_is_full() {
        let event = |key: &str, payload: &str| Record { key: key.into(), payload: payload.into() };
        let mut parcel = Parcel::of(2);
        assert!(parcel.take().is_none());
        parcel.add(&event("1", "a"));
        assert!(!parcel.is_full());
        parcel.add(&event("2", "b"));
        assert!(parcel.is_full());
        let taken = parcel.take().unwrap();
        assert_eq!((&taken.key[..], &taken.payload[..]), (&b"1"[..], &b"a\nb"[..]));
        parcel.add(&event("3", "c"));
        assert_eq!(parcel.take().unwrap().payload, b"c");
    }
}

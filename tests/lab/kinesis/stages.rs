//! What becomes of the streams while they are read: records come, shards split and merge. When a stage comes is counted in reads that were
//! answered; what comes is drawn from the seed alone.

use std::collections::VecDeque;
use std::ops::Range;

use lakewire::sources::generator::recipe::Recipe;
use lakewire::sources::generator::record::Record;

use super::super::case::Story;
use super::super::dice::Dice;
use super::model::Stream;
use super::plan::Plan;

/// Records of more keys than there are shards.
const KEYS: u64 = 5000;
/// Every second time the shard that splits or merges is one of the open shards that came last, which have often not been read yet.
const NEWEST: usize = 8;

#[derive(Debug)]
pub struct Stages {
    recipe: Recipe,
    dice: Dice,
    waiting: VecDeque<Stage>,
    /// Since the last stage.
    reads: u64,
}

#[derive(Debug)]
struct Stage {
    /// After so many reads.
    reads: u64,
    /// The numbers of the records that come.
    records: Range<u64>,
    /// So many come between the records.
    reshards: u64,
}

impl Stages {
    /// The first has come.
    pub fn begin(plan: &Plan, story: &Story, streams: &mut [Stream]) -> Stages {
        let mut dice = Dice::about(plan.seed, "stages", 0);
        let end = |nth: u64| story.records * nth / plan.stages;
        let first = Stage { reads: 0, records: 0..end(1), reshards: 0 };
        let waiting = (1..plan.stages).map(|nth| Stage {
            reads: 1 + dice.below(plan.reads_max),
            records: end(nth)..end(nth + 1),
            reshards: dice.below(plan.reshards_max + 1),
        });
        let waiting = waiting.collect();
        let mut stages = Stages { recipe: story.recipe(), dice, waiting, reads: 0 };
        stages.bring(first, streams);
        stages
    }

    /// Whether all has come.
    pub fn are_over(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A read was answered.
    pub fn read(&mut self, streams: &mut [Stream]) {
        self.reads += 1;
        let is_due = self.waiting.front().is_some_and(|stage| stage.reads <= self.reads);
        if is_due && let Some(stage) = self.waiting.pop_front() {
            self.reads = 0;
            self.bring(stage, streams);
        }
    }

    fn bring(&mut self, stage: Stage, streams: &mut [Stream]) {
        let Range { start, end } = stage.records;
        let part = |nth: u64| start + (end - start) * nth / (stage.reshards + 1);
        for nth in 0..=stage.reshards {
            (part(nth)..part(nth + 1)).for_each(|number| self.put(number, streams));
            if nth < stage.reshards {
                self.reshard(streams);
            }
        }
    }

    fn put(&mut self, number: u64, streams: &mut [Stream]) {
        let mut record = Record::default();
        self.recipe.make(number, &mut record);
        let key = format!("key {}", self.dice.below(KEYS));
        self.one_of(streams).put(key, record.payload);
    }

    fn reshard(&mut self, streams: &mut [Stream]) {
        let is_split = self.dice.below(2) == 0;
        let stream = self.one_of(streams);
        let place = self.place(stream);
        let open = stream.open();
        let shard = open[place];
        if !is_split && open.len() > 1 {
            let left = place.min(open.len() - 2);
            return stream.merge(open[left], open[left + 1]);
        }
        let (start, end) = stream.shards[shard].range.clone().into_inner();
        let middle = start + (end - start) / u128::from(2 + self.dice.below(3));
        // A range of one hash cannot be divided.
        if middle < end {
            stream.split(shard, middle + 1);
        }
    }

    /// Where among the open shards something happens.
    fn place(&mut self, stream: &Stream) -> usize {
        let open = stream.open();
        if self.dice.below(2) == 0 {
            return self.dice.below(open.len() as u64) as usize;
        }
        let mut newest = open.clone();
        newest.sort_by(|left, right| right.cmp(left));
        let shard = newest[self.dice.below(newest.len().min(NEWEST) as u64) as usize];
        open.iter().position(|other| *other == shard).expect("it is one of them")
    }

    fn one_of<'a>(&mut self, streams: &'a mut [Stream]) -> &'a mut Stream {
        let nth = self.dice.below(streams.len() as u64) as usize;
        &mut streams[nth]
    }
}

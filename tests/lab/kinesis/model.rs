//! What a stream is: shards with ranges of hashes, the records in them, and which shard came out of which.

use std::ops::RangeInclusive;

use aws_lc_rs::digest::{SHA256, digest};

/// When the first record arrives; each next one comes a millisecond later. 2026-03-01, as in the rest of the laboratory.
const BEGIN_MILLIS: i64 = 1_772_323_200_000;
/// The numbers of a stream have gaps, and one digit more from its 200th record on.
const NUMBER_STEP: u128 = 3;
const FIRST_NUMBER: u128 = 10u128.pow(30) - 200 * NUMBER_STEP;

#[derive(Debug)]
pub struct Stream {
    pub name: String,
    /// By their numbers: `shardId-000000000007` is the seventh from 0. None is ever taken away.
    pub shards: Vec<Shard>,
    next_number: u128,
    arrived: i64,
}

#[derive(Debug)]
pub struct Shard {
    pub id: String,
    pub range: RangeInclusive<u128>,
    /// None, or the one that it was split from, or the two that it was merged of.
    pub parents: Vec<usize>,
    /// None while it is open.
    pub children: Vec<usize>,
    pub first_number: u128,
    /// None while it is open.
    pub last_number: Option<u128>,
    /// By their numbers.
    pub records: Vec<Record>,
}

#[derive(Debug)]
pub struct Record {
    pub number: u128,
    pub key: String,
    pub data: Vec<u8>,
    pub arrival_millis: i64,
}

impl Stream {
    /// So many shards share the hashes evenly.
    pub fn new(name: &str, shards: u64) -> Stream {
        let mut stream = Stream { name: name.to_string(), shards: vec![], next_number: FIRST_NUMBER, arrived: 0 };
        let share = u128::MAX / u128::from(shards);
        for nth in 0..u128::from(shards) {
            let end = if nth + 1 == u128::from(shards) { u128::MAX } else { (nth + 1) * share - 1 };
            stream.begin(nth * share..=end, vec![]);
        }
        stream
    }

    /// The record goes into the open shard that its key belongs to.
    pub fn put(&mut self, key: String, data: Vec<u8>) {
        let hash = hash(&key);
        let record = Record { number: self.next_number, key, data, arrival_millis: BEGIN_MILLIS + self.arrived };
        self.next_number += NUMBER_STEP;
        self.arrived += 1;
        let shard = self.shards.iter_mut().find(|shard| shard.is_open() && shard.range.contains(&hash));
        shard.expect("the open shards have all hashes").records.push(record);
    }

    /// The open shards, in the order of their ranges.
    pub fn open(&self) -> Vec<usize> {
        let mut open: Vec<usize> = (0..self.shards.len()).filter(|shard| self.shards[*shard].is_open()).collect();
        open.sort_by_key(|shard| *self.shards[*shard].range.start());
        open
    }

    /// The second child's range begins at `middle`.
    pub fn split(&mut self, shard: usize, middle: u128) {
        let (start, end) = self.shards[shard].range.clone().into_inner();
        assert!(start < middle && middle <= end, "{middle} does not divide {start} to {end}");
        let children = vec![self.begin(start..=middle - 1, vec![shard]), self.begin(middle..=end, vec![shard])];
        self.close(shard, children);
    }

    /// The range of `right` begins where that of `left` ends.
    pub fn merge(&mut self, left: usize, right: usize) {
        let (start, middle) = self.shards[left].range.clone().into_inner();
        let (next, end) = self.shards[right].range.clone().into_inner();
        assert_eq!(middle + 1, next, "shards that are merged are neighbours");
        let child = self.begin(start..=end, vec![left, right]);
        self.close(left, vec![child]);
        self.close(right, vec![child]);
    }

    pub fn shard(&self, id: &str) -> Option<usize> {
        self.shards.iter().position(|shard| shard.id == id)
    }

    fn begin(&mut self, range: RangeInclusive<u128>, parents: Vec<usize>) -> usize {
        let number = self.shards.len();
        let id = format!("shardId-{number:012}");
        let first_number = self.next_number;
        self.shards.push(Shard { id, range, parents, children: vec![], first_number, last_number: None, records: vec![] });
        number
    }

    fn close(&mut self, shard: usize, children: Vec<usize>) {
        let shard = &mut self.shards[shard];
        assert!(shard.is_open(), "{} is closed", shard.id);
        shard.last_number = Some(self.next_number - 1);
        shard.children = children;
    }
}

impl Shard {
    pub fn is_open(&self) -> bool {
        self.last_number.is_none()
    }

    /// How many records came before this number, if it is one of this shard's.
    pub fn before(&self, number: u128) -> Option<usize> {
        self.records.binary_search_by_key(&number, |record| record.number).ok()
    }

    /// How many records came before this time.
    pub fn before_time(&self, millis: i64) -> usize {
        self.records.partition_point(|record| record.arrival_millis < millis)
    }

    /// How long after the record that is read next the newest one came; 0 if nothing is to be read.
    pub fn behind_millis(&self, next: usize) -> i64 {
        match (self.records.get(next), self.records.last()) {
            (Some(next), Some(newest)) => (newest.arrival_millis - next.arrival_millis).max(1),
            _ => 0,
        }
    }
}

/// The service's is MD5; any that spreads keys will do.
fn hash(key: &str) -> u128 {
    let digest = digest(&SHA256, key.as_bytes());
    u128::from_be_bytes(digest.as_ref()[..16].try_into().expect("16 bytes"))
}

#[test]
fn the_open_shards_have_each_hash_once() {
    let mut stream = Stream::new("s", 7);
    let range = |stream: &Stream, shard: usize| stream.shards[shard].range.clone().into_inner();
    for turn in 0..100 {
        let open = stream.open();
        let at = turn * 5 % (open.len() - 1);
        let (start, end) = range(&stream, open[at]);
        match turn % 2 {
            0 => stream.split(open[at], start + (end - start) / 2 + 1),
            _ => stream.merge(open[at], open[at + 1]),
        }
        let ranges: Vec<_> = stream.open().into_iter().map(|shard| range(&stream, shard)).collect();
        assert_eq!((ranges[0].0, ranges[ranges.len() - 1].1), (0, u128::MAX));
        assert!(ranges.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{ranges:?}");
    }
}

#[test]
fn a_closed_shard_gets_no_more_records() {
    let mut stream = Stream::new("s", 1);
    stream.put("a".to_string(), vec![1]);
    stream.split(0, 1 << 127);
    stream.put("a".to_string(), vec![2]);
    assert_eq!(stream.shards.iter().map(|shard| shard.records.len()).sum::<usize>(), 2);
    assert_eq!((stream.shards[0].records.len(), &stream.shards[0].children), (1, &vec![1, 2]));
    let [before, after] = [stream.shards[0].last_number, Some(stream.shards[1].first_number)];
    assert!(before < after && before >= Some(stream.shards[0].records[0].number));
}

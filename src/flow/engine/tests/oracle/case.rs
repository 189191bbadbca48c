//! A case: a query, the lives of the rows it is kept over, and what is done to it on the way.

use arrow::array::Int64Array;

use super::ast::Query;
use super::dice::Dice;
use super::generate;
use super::tables::{Cell, MINUTE_MICROS, Row, TABLES, batch, row, schema};
use crate::catalog::Emit;
use crate::flow::engine::{Arrival, Relation, Watermark};
use crate::model::{Changes, Name};

#[derive(Debug, Clone)]
pub struct Case {
    pub query: Query,
    pub lives: Vec<Life>,
    pub ticks: usize,
    pub arrivals: [Arrival; TABLES.len()],
    /// Whether the tables are streams with watermarks, and rows are given when their windows close.
    pub emit: Emit,
    /// Ticks after which the view is compared. After the last it always is.
    pub checks: Vec<usize>,
    /// The tick at which another view is made, over what is there then.
    pub late: Option<usize>,
    pub restart: Option<Restart>,
    /// Whether it is known that ids are unique, as it is of a view that another one reads.
    pub says_unique: bool,
    /// Orders what changes within a tick.
    pub shuffle: u64,
}

/// A row from when it comes to when it goes. Both may be in one tick.
#[derive(Debug, Clone)]
pub struct Life {
    pub table: usize,
    pub row: Row,
    pub comes: usize,
    pub goes: Option<usize>,
}

/// The state is saved after some ticks. After a later one, or the last of these, all is dropped and restored, and what came since is replayed.
#[derive(Debug, Clone)]
pub struct Restart {
    pub saves: Vec<Save>,
    pub after: usize,
}

#[derive(Debug, Clone, Copy)]
pub struct Save {
    pub after: usize,
    pub form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// What changed since the last one.
    Delta,
    Base,
}

impl Case {
    pub fn random(seed: u64) -> Case {
        let mut dice = Dice::new(seed);
        let (emit, query) = match seed % 10 {
            3 => (Emit::OnWindowClose, generate::closing_query(&mut dice)),
            _ => (Emit::OnChange, generate::query(&mut dice)),
        };
        let ticks = 2 + dice.below(4) as usize;
        let arrivals = match dice.below(4) {
            _ if emit == Emit::OnWindowClose => [Arrival::AppendOnly; TABLES.len()],
            0 => [Arrival::AppendOnly; TABLES.len()],
            1 => std::array::from_fn(|_| *dice.pick(&[Arrival::AppendOnly, Arrival::Changing])),
            _ => [Arrival::Changing; TABLES.len()],
        };
        let mut lives = History { dice: &mut dice, ticks, next_id: 0 }.lives(&arrivals);
        if emit == Emit::OnWindowClose {
            lives.iter_mut().for_each(Life::be_in_time);
        }
        // Each check, each view made late and each restart plans the query again, which is what a case costs.
        let checks = (0..ticks).filter(|_| dice.one_in(8) && emit == Emit::OnChange).collect();
        let late = dice.percent(25).then(|| dice.below(ticks as u64) as usize);
        let restart = dice.percent(30).then(|| restart(&mut dice, ticks));
        let says_unique = dice.one_in(2);
        Case { query, lives, ticks, arrivals, emit, checks, late, restart, says_unique, shuffle: seed }
    }

    pub fn relations(&self) -> Vec<Relation> {
        let relation = |(table, arrival): (&super::tables::Table, &Arrival)| Relation {
            arrival: *arrival,
            unique: (table.has_id && self.says_unique).then(|| vec![0]),
            watermark: table.time().filter(|_| self.emit == Emit::OnWindowClose).map(|column| Watermark { column, lateness_micros: 0 }),
            ..Relation::table(Name::new(table.name).unwrap(), schema(table))
        };
        TABLES.iter().zip(&self.arrivals).map(relation).collect()
    }

    /// How far the times of all tables have come when a tick begins. In the end no window is open.
    pub fn watermark_micros(tick: usize) -> i64 {
        15 * MINUTE_MICROS * tick as i64
    }

    /// What changes in a tick, by table.
    pub fn changes(&self, tick: usize) -> Vec<Changes> {
        let weights = |life: &Life| match (life.comes == tick, life.goes == Some(tick)) {
            (true, true) => vec![1, -1],
            (true, false) => vec![1],
            (false, true) => vec![-1],
            (false, false) => vec![],
        };
        self.collect(tick as u64, weights)
    }

    /// What is there after a tick, by table.
    pub fn rows(&self, tick: usize) -> Vec<Changes> {
        let is_there = |life: &Life| life.comes <= tick && life.goes.is_none_or(|goes| goes > tick);
        self.collect(0, |life| if is_there(life) { vec![1] } else { vec![] })
    }

    fn collect(&self, salt: u64, weights: impl Fn(&Life) -> Vec<i64>) -> Vec<Changes> {
        let of_table = |(number, table)| {
            let of_life = |life| weights(life).into_iter().map(move |weight| (&life.row, weight));
            let mut changes: Vec<_> = self.lives.iter().filter(|life| life.table == number).flat_map(of_life).collect();
            Dice::new(self.shuffle ^ salt).shuffle(&mut changes);
            let (rows, weights): (Vec<&Row>, Vec<i64>) = changes.into_iter().unzip();
            match weights.iter().all(|weight| *weight == 1) {
                true => Changes::inserted(batch(table, &rows)),
                false => Changes::new(batch(table, &rows), Int64Array::from(weights)),
            }
        };
        TABLES.iter().enumerate().map(of_table).collect()
    }

    /// What the clock says in a tick, in microseconds.
    pub fn now_micros(tick: usize) -> i64 {
        (30 + 13 * tick as i64) * MINUTE_MICROS
    }

    /// The query, with the clock as a function.
    pub fn sql(&self) -> String {
        self.query.sql("now()")
    }

    /// The query with the time of a tick.
    pub fn sql_at(&self, tick: usize) -> String {
        let minutes = Case::now_micros(tick) / MINUTE_MICROS;
        let now = format!("TIMESTAMPTZ '1970-01-01 {:02}:{:02}:00Z'", minutes / 60, minutes % 60);
        self.query.sql(&now)
    }
}

impl Life {
    /// Takes its time to one that the watermark still lets in.
    fn be_in_time(&mut self) {
        let Some(time) = TABLES[self.table].time() else { return };
        let within = match self.row[time] {
            Cell::Number(micros) => micros % (40 * MINUTE_MICROS),
            _ => 0,
        };
        self.row[time] = Cell::Number(Case::watermark_micros(self.comes) + within);
    }
}

fn restart(dice: &mut Dice, ticks: usize) -> Restart {
    let after = dice.below(ticks as u64) as usize;
    let mut saves: Vec<_> = (0..after).filter(|_| dice.one_in(2)).collect();
    if saves.is_empty() || dice.one_in(2) {
        saves.push(after);
    }
    let form = |dice: &mut Dice| if dice.one_in(3) { Form::Base } else { Form::Delta };
    Restart { saves: saves.into_iter().map(|after| Save { after, form: form(dice) }).collect(), after }
}

struct History<'a> {
    dice: &'a mut Dice,
    ticks: usize,
    next_id: i64,
}

impl History<'_> {
    fn lives(mut self, arrivals: &[Arrival]) -> Vec<Life> {
        let mut lives = vec![];
        for (table, arrival) in arrivals.iter().enumerate() {
            if self.dice.one_in(12) {
                continue;
            }
            let mut own = vec![];
            for tick in 0..self.ticks {
                self.tick(table, *arrival, tick, &mut own);
            }
            lives.append(&mut own);
        }
        lives
    }

    fn tick(&mut self, table: usize, arrival: Arrival, tick: usize, lives: &mut Vec<Life>) {
        let is_changing = arrival == Arrival::Changing;
        match self.dice.below(16) {
            0 | 1 => {}
            2 if is_changing => alive(lives, tick).into_iter().for_each(|life| lives[life].goes = Some(tick)),
            3 => (0..12).for_each(|_| self.insert(table, tick, lives)),
            // What goes comes again.
            4 if is_changing => {
                for life in self.some(lives, tick) {
                    lives[life].goes = Some(tick);
                    lives.push(Life { comes: tick, goes: None, ..lives[life].clone() });
                }
            }
            // What comes goes again.
            5 if is_changing => {
                self.insert(table, tick, lives);
                lives.last_mut().expect("one was inserted").goes = Some(tick);
            }
            _ => {
                (0..self.dice.below(5)).for_each(|_| self.insert(table, tick, lives));
                if is_changing {
                    for life in self.some(lives, tick) {
                        lives[life].goes = Some(tick);
                        if self.dice.one_in(2) {
                            self.update(lives, life, tick);
                        }
                    }
                }
            }
        }
    }

    fn insert(&mut self, table: usize, tick: usize, lives: &mut Vec<Life>) {
        self.next_id += 1;
        let row = row(self.dice, &TABLES[table], self.next_id);
        let count = if !TABLES[table].has_id && self.dice.one_in(3) { 2 + self.dice.below(2) } else { 1 };
        let life = Life { table, row, comes: tick, goes: None };
        lives.extend((0..count).map(|_| life.clone()));
    }

    /// Another row with the same id, alike in most columns.
    fn update(&mut self, lives: &mut Vec<Life>, life: usize, tick: usize) {
        let Life { table, row: old, .. } = &lives[life];
        let table = *table;
        let new = row(self.dice, &TABLES[table], 0);
        let row = new.into_iter().zip(old.clone()).enumerate().map(|(place, (new, old))| {
            let keeps = (TABLES[table].has_id && place == 0) || self.dice.one_in(2);
            if keeps { old } else { new }
        });
        lives.push(Life { table, row: row.collect(), comes: tick, goes: None });
    }

    /// A few of those that came before this tick and are there.
    fn some(&mut self, lives: &[Life], tick: usize) -> Vec<usize> {
        let mut places: Vec<_> = alive(lives, tick).into_iter().filter(|life| lives[*life].comes < tick).collect();
        self.dice.shuffle(&mut places);
        places.truncate(self.dice.below(5) as usize);
        places
    }
}

fn alive(lives: &[Life], tick: usize) -> Vec<usize> {
    (0..lives.len()).filter(|life| lives[*life].goes.is_none() && lives[*life].comes < tick).collect()
}

//! The shop: all rows, and what may happen to orders.

use super::super::Step;
use super::super::random::Random;
use super::Scale;
use super::people::{customer, nations, part, part_suppliers, regions, supplier};
use super::row::{Ledger, Row};
use super::table::{LINEITEM, ORDERS};
use super::text::{INSTRUCTIONS, MODES, PRIORITIES, comment};

/// 1992-01-01 and 1998-08-02, between which orders are placed, and 1995-06-17, "today", in days since 1970.
const FIRST_DAY: i64 = 8_035;
const LAST_DAY: i64 = 10_440;
const TODAY: i64 = 9_298;

pub struct Order {
    pub row: Row,
    pub lines: Vec<Row>,
}

/// Suppliers, parts and their suppliers are never removed: their keys are their places + 1.
pub struct Shop {
    pub random: Random,
    pub ledger: Ledger,
    pub suppliers: Vec<Row>,
    pub customers: Vec<Row>,
    pub parts: Vec<Row>,
    pub part_suppliers: Vec<Vec<Row>>,
    pub orders: Vec<Order>,
    pub orders_ever: i64,
    pub customers_ever: i64,
}

impl Shop {
    pub fn new(seed: u64, scale: Scale) -> Shop {
        let mut random = Random::new(seed);
        let mut ledger = Ledger::default();
        for row in regions(&mut random).into_iter().chain(nations(&mut random)) {
            ledger.insert(&row);
        }
        let suppliers = (1..=scale.suppliers as i64).map(|key| supplier(&mut random, key)).collect();
        let parts: Vec<_> = (1..=scale.parts as i64).map(|key| part(&mut random, key)).collect();
        let part_suppliers = (1..=scale.parts as i64).map(|key| part_suppliers(&mut random, key, scale.suppliers)).collect();
        let (customers, orders) = (Vec::new(), Vec::new());
        let mut shop = Shop { random, ledger, suppliers, customers, parts, part_suppliers, orders, orders_ever: 0, customers_ever: 0 };
        for row in shop.suppliers.iter().chain(&shop.parts).chain(shop.part_suppliers.iter().flatten()) {
            shop.ledger.insert(row);
        }
        (0..scale.customers).for_each(|_| shop.add_customer());
        (0..scale.orders).for_each(|_| shop.add_order());
        shop
    }

    pub fn take_changes(&mut self) -> Step {
        self.ledger.take()
    }

    pub fn add_customer(&mut self) {
        self.customers_ever += 1;
        let row = customer(&mut self.random, self.customers_ever);
        self.ledger.insert(&row);
        self.customers.push(row);
    }

    /// Places one by a customer who buys, with its lines.
    pub fn add_order(&mut self) {
        // Of every 32 keys 8 are used, as orders are deleted and others come in between.
        let key = self.orders_ever / 8 * 32 + self.orders_ever % 8 + 1;
        self.orders_ever += 1;
        let day = self.random.between(FIRST_DAY, LAST_DAY - 151);
        let lines = (1..=self.random.between(1, 7)).map(|line| self.line(key, line, day)).collect::<Vec<_>>();
        let values = [
            key.into(),
            self.buyer().into(),
            status(&lines).into(),
            total(&lines).into(),
            day.into(),
            self.random.pick(PRIORITIES).into(),
            format!("Clerk#{:09}", self.random.between(1, 10)).into(),
            0.into(),
            comment(&mut self.random).into(),
        ];
        let order = Order { row: Row::new(ORDERS, values), lines };
        self.ledger.insert(&order.row);
        order.lines.iter().for_each(|line| self.ledger.insert(line));
        self.orders.push(order);
    }

    pub fn remove_order(&mut self, place: usize) {
        let order = self.orders.swap_remove(place);
        self.ledger.remove(&order.row);
        order.lines.iter().for_each(|line| self.ledger.remove(line));
    }

    /// Puts another line in the place of one of an order, and what the order says about its lines right.
    pub fn change_line(&mut self, place: usize) {
        let (key, day) = (self.orders[place].row.number("o_orderkey"), self.orders[place].row.number("o_orderdate"));
        let at = self.random.below(self.orders[place].lines.len());
        let line = self.line(key, at as i64 + 1, day);
        let order = &mut self.orders[place];
        self.ledger.update(&mut order.lines[at], line);
        let row = order.row.with("o_totalprice", total(&order.lines)).with("o_orderstatus", status(&order.lines));
        self.ledger.update(&mut order.row, row);
    }

    /// Every third customer never buys anything.
    pub fn buys(customer: &Row) -> bool {
        customer.number("c_custkey") % 3 != 0
    }

    fn buyer(&mut self) -> i64 {
        loop {
            let customer = &self.customers[self.random.below(self.customers.len())];
            if Shop::buys(customer) {
                return customer.number("c_custkey");
            }
        }
    }

    fn line(&mut self, order: i64, line: i64, ordered: i64) -> Row {
        let random = &mut self.random;
        let part = random.below(self.parts.len());
        let supplier = self.part_suppliers[part][random.below(self.part_suppliers[part].len())].number("ps_suppkey");
        let (quantity, price) = (random.between(1, 50), self.parts[part].number("p_retailprice"));
        let (shipped, committed) = (ordered + random.between(1, 121), ordered + random.between(30, 90));
        let received = shipped + random.between(1, 30);
        let flag = if received > TODAY { "N" } else { random.pick(&["R", "A"]) };
        let values = [
            order.into(),
            (part as i64 + 1).into(),
            supplier.into(),
            line.into(),
            (quantity * 100).into(),
            (quantity * price).into(),
            random.between(0, 10).into(),
            random.between(0, 8).into(),
            flag.into(),
            if shipped > TODAY { "O" } else { "F" }.into(),
            shipped.into(),
            committed.into(),
            received.into(),
            random.pick(INSTRUCTIONS).into(),
            random.pick(MODES).into(),
            comment(random).into(),
        ];
        Row::new(LINEITEM, values)
    }
}

/// In cents: the prices with their discounts and taxes.
fn total(lines: &[Row]) -> i64 {
    let charged = |line: &Row| {
        let [price, discount, tax] = ["l_extendedprice", "l_discount", "l_tax"].map(|column| line.number(column));
        price * (100 - discount) * (100 + tax) / 10_000
    };
    lines.iter().map(charged).sum()
}

/// Finished, open, or partly so.
fn status(lines: &[Row]) -> &'static str {
    let shipped = lines.iter().filter(|line| line.number("l_shipdate") <= TODAY).count();
    match lines.len() - shipped {
        0 => "F",
        open if open == lines.len() => "O",
        _ => "P",
    }
}

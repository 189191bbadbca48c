//! What happens in the shop, step by step.

use super::super::Step;
use super::Scale;
use super::people::balance;
use super::shop::Shop;
use super::text::{PRIORITIES, SEGMENTS, address, phone, supplier_comment};

const DEEDS_MAX: i64 = 6;
/// Of what is done to small things.
const SEVERAL: usize = 4;

pub struct Refreshes {
    shop: Shop,
}

impl Refreshes {
    pub fn new(seed: u64, scale: Scale) -> Refreshes {
        let mut shop = Shop::new(seed, scale);
        shop.take_changes();
        Refreshes { shop }
    }

    /// Orders come somewhat more often than they go.
    fn do_something(&mut self) {
        match self.shop.random.below(16) {
            0..5 => self.shop.add_order(),
            5..8 => self.with_some_order(Shop::remove_order),
            8..10 => self.with_some_order(Shop::change_line),
            10 => self.change_order(),
            11 => (0..SEVERAL).for_each(|_| self.change_customer()),
            12 => self.change_supplier(),
            13 => (0..SEVERAL).for_each(|_| self.change_part()),
            14 => (0..SEVERAL).for_each(|_| self.change_stock()),
            _ => self.change_who_is_there(),
        }
    }

    fn with_some_order(&mut self, change: fn(&mut Shop, usize)) {
        if !self.shop.orders.is_empty() {
            let place = self.shop.random.below(self.shop.orders.len());
            change(&mut self.shop, place);
        }
    }

    fn change_order(&mut self) {
        self.with_some_order(|shop, place| {
            let order = &mut shop.orders[place].row;
            let row = order.with("o_orderpriority", shop.random.pick(PRIORITIES));
            shop.ledger.update(order, row);
        });
    }

    fn change_customer(&mut self) {
        let shop = &mut self.shop;
        let place = shop.random.below(shop.customers.len());
        let customer = &mut shop.customers[place];
        let row = customer.with("c_acctbal", balance(&mut shop.random)).with("c_mktsegment", shop.random.pick(SEGMENTS));
        shop.ledger.update(customer, row);
    }

    /// It moves, perhaps to another country.
    fn change_supplier(&mut self) {
        let shop = &mut self.shop;
        let place = shop.random.below(shop.suppliers.len());
        let supplier = &mut shop.suppliers[place];
        let moved = supplier.with("s_address", address(&mut shop.random));
        let row = match shop.random.below(3) {
            0 => moved.with("s_acctbal", balance(&mut shop.random)),
            1 => moved.with("s_comment", supplier_comment(&mut shop.random)),
            _ => {
                let nation = shop.random.between(0, 24);
                moved.with("s_nationkey", nation).with("s_phone", phone(&mut shop.random, nation))
            }
        };
        shop.ledger.update(supplier, row);
    }

    fn change_part(&mut self) {
        let shop = &mut self.shop;
        let place = shop.random.below(shop.parts.len());
        let part = &mut shop.parts[place];
        let row = part.with("p_size", shop.random.between(1, 50));
        shop.ledger.update(part, row);
    }

    /// What all suppliers of a part have, and for how much.
    fn change_stock(&mut self) {
        let shop = &mut self.shop;
        let part = shop.random.below(shop.parts.len());
        for supplied in &mut shop.part_suppliers[part] {
            let (available, cost) = (shop.random.between(1, 9_999), shop.random.between(100, 100_000));
            shop.ledger.update(supplied, supplied.with("ps_availqty", available).with("ps_supplycost", cost));
        }
    }

    /// Customers who never buy may leave.
    fn change_who_is_there(&mut self) {
        let shop = &mut self.shop;
        let place = shop.random.below(shop.customers.len());
        match Shop::buys(&shop.customers[place]) {
            true => shop.add_customer(),
            false => {
                let customer = shop.customers.swap_remove(place);
                shop.ledger.remove(&customer);
            }
        }
    }
}

impl Iterator for Refreshes {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        for _ in 0..self.shop.random.between(1, DEEDS_MAX) {
            self.do_something();
        }
        Some(self.shop.take_changes())
    }
}

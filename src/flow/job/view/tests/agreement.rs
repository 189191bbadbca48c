//! Views that were computed from one another, or from one table, agree in every version that they show.

use chrono::DateTime;

use super::super::super::super::published::cut;
use super::*;

/// What came to an account and what went from it; each row of `t` moves one unit from `k` to `v`.
const CREDITS: &str = "SELECT v AS account, count(*) AS n FROM t GROUP BY v";
const DEBITS: &str = "SELECT k AS account, count(*) AS n FROM t GROUP BY k";
const BALANCE: &str = "SELECT coalesce(c.account, d.account) AS account, coalesce(c.n, 0) - coalesce(d.n, 0) AS n \
                       FROM credits c FULL JOIN debits d ON c.account = d.account";
const TOTAL: &str = "SELECT 0 AS account, CAST(sum(n) AS bigint) AS n FROM balance";
/// A table and a view of it: what the one has and the other has not.
const MISSED: &str = "SELECT 0 AS account, a.n - CAST(b.n AS bigint) AS n \
                      FROM (SELECT count(*) AS n FROM t) a CROSS JOIN (SELECT sum(n) AS n FROM credits) b";

/// All of them at once.
const COMPARED: &str = "SELECT 0 AS account, CAST(t.n + m.n + c.n - d.n AS bigint) AS n FROM total t CROSS JOIN missed m \
                        CROSS JOIN (SELECT sum(n) AS n FROM credits) c CROSS JOIN (SELECT sum(n) AS n FROM debits) d";

struct Accounts {
    compared: Object,
    credits: Object,
    debits: Object,
    total: Object,
    missed: Object,
}

impl Accounts {
    async fn define(house: &House) -> Accounts {
        let table = house.table().await;
        house.insert(&[(1, 2), (2, 1)]).await;
        let of = |of| [(of, &["account", "n"] as &[&str])];
        let credits = house.view("credits", CREDITS, &table, [&["v"], &["account", "n"]]).await;
        let debits = house.view("debits", DEBITS, &table, [&["k"], &["account", "n"]]).await;
        let balance = house.view_of("balance", BALANCE, &[of(&credits), of(&debits)].concat(), &["account", "n"]).await;
        let total = house.view_of("total", TOTAL, &of(&balance), &["account", "n"]).await;
        // A count reads no column.
        let missed = house.view_of("missed", MISSED, &[(&table, &["k"]), of(&credits)[0]], &["account", "n"]).await;
        let all = [of(&total), of(&missed), of(&credits), of(&debits)].concat();
        let compared = house.view_of("compared", COMPARED, &all, &["account", "n"]).await;
        Accounts { credits, debits, total, missed, compared }
    }

    /// Whatever moves, nothing comes or goes.
    fn check(&self, house: &House) {
        for view in [&self.total, &self.missed, &self.compared] {
            for version in house.services.views.get(view.id).versions() {
                assert_eq!(rows(&version), BTreeMap::from([(0, 0)]), "\"{}\" at {:?}", view.name, version.stamp);
            }
        }
        let views = [&self.credits, &self.debits].map(|view| (view.id, house.services.views.get(view.id)));
        if let Some(cut) = cut(&views) {
            let [credits, debits] = views.map(|(id, _)| rows(&cut[&id]).into_values().sum::<i64>());
            assert_eq!(credits, debits, "credits and debits in one query");
        }
    }

    fn all(&self) -> [&Object; 5] {
        [&self.credits, &self.debits, &self.total, &self.missed, &self.compared]
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_moves_within_a_table_is_never_seen_on_one_side_alone() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let mut house = House::open(&store, &folder).await;
    let accounts = Accounts::define(&house).await;
    for round in 0..120i64 {
        house.insert(&[(round % 7, round % 5), (round % 3, round % 11)]).await;
        accounts.check(&house);
        match round % 40 {
            // Epochs end while it goes on.
            20 => {
                let insert = async {
                    for round in 0..20 {
                        house.insert(&[(round % 7, round % 5)]).await;
                        accounts.check(&house);
                    }
                };
                tokio::join!(house.flush(), insert);
            }
            // What the former server committed, and when, is left to chance.
            30 => {
                house = House::open(&store, &folder).await;
                for view in accounts.all() {
                    house.supervisor.populated(view.id, &view.name).await.unwrap();
                    accounts.check(&house);
                }
            }
            _ => {}
        }
    }
    house.flush().await;
    accounts.check(&house);
    assert_eq!(house.read(&accounts.credits).into_values().sum::<i64>(), 2 + 120 * 2 + 3 * 20);
    assert_eq!(house.times(EventKind::ViewComputedAnew), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_a_view_is_shown_with_what_it_had_seen() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let house = House::open(&store, &folder).await;
    let [_, lower, upper] = house.stacked().await;
    house.insert(&[(1, 1)]).await;
    house.flush().await;
    // The lower view commits what the upper one has not.
    house.supervisor.stop(upper.id).await;
    house.insert(&[(1, 10), (2, 2)]).await;
    let _ = house.supervisor.flush().await;
    let house = House::open(&store, &folder).await;
    for view in [&lower, &upper] {
        house.supervisor.populated(view.id, &view.name).await.unwrap();
    }
    let views = [&lower, &upper].map(|view| (view.id, house.services.views.get(view.id)));
    let cut = cut(&views).unwrap();
    assert_eq!(rows(&cut[&lower.id]), rows(&cut[&upper.id]));
    house.wait_for(&upper, &sums(&[(1, 11), (2, 2)])).await;
}

/// What time alone did after a restart is in no epoch before it is committed: a view that reads this one must not go on from it as if it were.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_time_did_meanwhile_is_not_taken_for_committed() {
    let (store, folder) = (Arc::new(InMemory::new()), tempfile::tempdir().unwrap());
    let clock = Clock::mock(DateTime::from_timestamp(10_000, 0).unwrap());
    let house = House::open_at(&store, &folder, clock.clone()).await;
    let table = house.table().await;
    let lower = house.view("sums", SUMS, &table, [&["k", "v"], &["k", "s"]]).await;
    let recent = "SELECT k, s FROM sums WHERE to_timestamp_micros(k * 1000000) > now() - INTERVAL '1 hour'";
    let recent = house.view("recent", recent, &lower, [&["k", "s"], &["k", "s"]]).await;
    let upper = "SELECT 0 AS k, CAST(coalesce(sum(s), 0) AS bigint) AS s FROM recent";
    let upper = house.view("upper", upper, &recent, [&["k", "s"], &["k", "s"]]).await;
    house.insert(&[(9_000, 5), (20_000, 7)]).await;
    house.flush().await;
    house.wait_for(&upper, &BTreeMap::from([(0, 12)])).await;
    for view in [&upper, &recent, &lower] {
        house.supervisor.stop(view.id).await;
    }
    clock.advance(Duration::from_secs(3_600));
    let house = House::open_at(&store, &folder, clock.clone()).await;
    house.wait_for(&upper, &BTreeMap::from([(0, 7)])).await;
    house.supervisor.stop(upper.id).await;
    let house = House::open_at(&store, &folder, clock).await;
    house.wait_for(&recent, &BTreeMap::from([(20_000, 7)])).await;
    house.wait_for(&upper, &BTreeMap::from([(0, 7)])).await;
    house.insert(&[(20_000, 1)]).await;
    house.flush().await;
    assert_eq!(house.read(&upper), BTreeMap::from([(0, 8)]));
}

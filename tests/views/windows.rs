//! The window functions that the queries use, written out as subqueries for planners that do not know them.

use super::Query;

macro_rules! tumbled {
    ($table:literal) => {
        concat!(
            "(SELECT *, date_bin(INTERVAL '10 seconds', date_time) AS window_start, ",
            "date_bin(INTERVAL '10 seconds', date_time) + INTERVAL '10 seconds' AS window_end FROM ",
            $table,
            ") AS ",
            $table
        )
    };
}

const WINDOWS: [(&str, &str); 4] = [
    (
        "hop(bid, date_time, INTERVAL '2 seconds', INTERVAL '10 seconds')",
        "(SELECT *, window_start + INTERVAL '10 seconds' AS window_end FROM (
            SELECT bid.*, date_bin(INTERVAL '2 seconds', date_time) - back AS window_start
            FROM bid CROSS JOIN (VALUES (INTERVAL '0 seconds'), (INTERVAL '2 seconds'), (INTERVAL '4 seconds'),
              (INTERVAL '6 seconds'), (INTERVAL '8 seconds')) AS steps(back)
        ) AS hops) AS bid",
    ),
    ("tumble(bid, date_time, INTERVAL '10 seconds')", tumbled!("bid")),
    ("tumble(auction, date_time, INTERVAL '10 seconds')", tumbled!("auction")),
    ("tumble(person, date_time, INTERVAL '10 seconds')", tumbled!("person")),
];

impl Query {
    /// Without window functions; the answer is the same.
    pub fn written_out(&self) -> String {
        WINDOWS.iter().fold(self.sql.to_string(), |sql, (function, query)| sql.replace(function, query))
    }
}

-- How many bids each bidder made in every ten seconds.
SELECT bidder, count(*) AS bid_count, window_start, window_end
FROM tumble(bid, date_time, INTERVAL '10 seconds')
GROUP BY bidder, window_start, window_end

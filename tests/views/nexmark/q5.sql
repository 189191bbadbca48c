-- The auctions with the most bids in the last ten seconds, every two seconds.
SELECT auction_bids.auction, auction_bids.num, auction_bids.starttime
FROM (
  SELECT auction, count(*) AS num, window_start AS starttime
  FROM hop(bid, date_time, INTERVAL '2 seconds', INTERVAL '10 seconds')
  GROUP BY auction, window_start
) AS auction_bids
JOIN (
  SELECT max(count_bids.num) AS maxn, count_bids.starttime_c
  FROM (
    SELECT count(*) AS num, window_start AS starttime_c
    FROM hop(bid, date_time, INTERVAL '2 seconds', INTERVAL '10 seconds')
    GROUP BY auction, window_start
  ) AS count_bids
  GROUP BY count_bids.starttime_c
) AS max_bids
ON auction_bids.starttime = max_bids.starttime_c AND auction_bids.num >= max_bids.maxn

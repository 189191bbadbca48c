-- How many bids each bidder made between two pauses of ten seconds.
SELECT bidder, count(*) AS bid_count, min(date_time) AS starttime, max(date_time) AS endtime
FROM (
  SELECT bidder, date_time,
    sum(begins) OVER (PARTITION BY bidder ORDER BY date_time, price, extra ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS session
  FROM (
    SELECT bidder, date_time, price, extra,
      CASE
        WHEN date_time <= lag(date_time) OVER (PARTITION BY bidder ORDER BY date_time, price, extra) + INTERVAL '10 seconds' THEN 0
        ELSE 1
      END AS begins
    FROM bid
  ) AS steps
) AS sessions
GROUP BY bidder, session

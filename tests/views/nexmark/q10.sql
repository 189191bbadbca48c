-- Every bid with its day and minute, as files would be named.
SELECT auction, bidder, price, date_time, CAST(date_time AS date) AS day, date_trunc('minute', date_time) AS minute FROM bid

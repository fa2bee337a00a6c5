-- name: take_rate(key, cost_us, burst_us) one
-- The row stays locked until the transaction ends: takers of one key go one after another, and a
-- rollback gives back what was taken. The clock is read once, after the wait for the lock.
INSERT INTO rate_limits AS r (key, tat, asked_at, is_allowed)
SELECT $1, clock.at + interval '1 microsecond' * $2::double precision, clock.at, true
  FROM clock_timestamp() AS clock (at)
    ON CONFLICT (key) DO UPDATE
   SET (tat, asked_at, is_allowed) = (
       SELECT CASE WHEN wish.fits THEN wish.tat ELSE greatest(r.tat, clock.at) END,
              clock.at,
              wish.fits
         FROM clock_timestamp() AS clock (at),
              LATERAL (SELECT greatest(r.tat, clock.at)
                              + interval '1 microsecond' * $2 AS tat) AS asked,
              LATERAL (SELECT asked.tat,
                              asked.tat <= clock.at + interval '1 microsecond' * $3::double precision
                              AS fits) AS wish)
RETURNING is_allowed, (extract(epoch FROM tat - asked_at) * 1000000)::bigint AS ahead_us;

-- name: delete_full_rates() exec
-- A row whose time is past says what no row says. One that is being taken from is left alone.
DELETE FROM rate_limits
 WHERE key IN (SELECT key
                 FROM rate_limits
                WHERE tat < now()
                  FOR UPDATE SKIP LOCKED);

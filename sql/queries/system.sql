-- name: ring_generation(payload) exec
-- The bell, rung after the commit it tells of.
SELECT pg_notify('madar_generations', $1);

-- name: ring_styles(payload) exec
SELECT pg_notify('madar_styles', $1);

-- name: ring_queue(payload) exec
-- Wakes the workers: the queue's own trigger is off, it would NOTIFY inside the transaction.
SELECT pg_notify('procrastinate_queue_v1#generations', $1);

-- name: ping() value
SELECT 1;

-- name: has_worker() value
-- Whether any worker has given a sign of life lately; the first one comes with its start.
SELECT EXISTS (SELECT
                 FROM procrastinate_workers
                WHERE last_heartbeat > now() - interval '60 seconds');

-- name: get_clock() value
-- For the operator's doctor: the server's clock, in seconds since 1970.
SELECT extract(epoch FROM clock_timestamp())::float8;

-- name: ring_generations(payloads) exec
-- The same for many at once.
SELECT pg_notify('madar_generations', payload)
  FROM unnest($1::text[]) AS payload;

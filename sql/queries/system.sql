-- name: ring_generations(ids) exec
-- For the hub of every web process, after the commit it tells of: id, version and owner of each.
SELECT pg_notify('madar_generations', concat_ws(' ', id, version, user_id))
  FROM generations
 WHERE id = ANY ($1::uuid[]);

-- name: ring_pulse(channel) exec
-- For the one listener that has this channel: whether it hears.
SELECT pg_notify($1, '');

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

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

-- name: get_helpers() one
-- What a web process leans on beside this database: a worker, as above, and Fal's gate.
SELECT EXISTS (SELECT
                 FROM procrastinate_workers
                WHERE last_heartbeat > now() - interval '60 seconds') AS has_worker,
       EXISTS (SELECT
                 FROM fal_gate
                WHERE closed_until > now()) AS is_fal_closed;

-- name: get_clock() value
-- For the operator's doctor: the server's clock, in seconds since 1970.
SELECT extract(epoch FROM clock_timestamp())::float8;

-- name: get_server() one
-- For the operator's doctor: what kind of server this is, and for how many connections. Those of
-- Madar itself are not counted, so that it may run meanwhile.
SELECT current_setting('server_version_num')::int AS version_number,
       pg_is_in_recovery() AS is_replica,
       current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int
         - coalesce(current_setting('reserved_connections', true)::int, 0) AS max_connections,
       (SELECT count(*)
          FROM pg_stat_activity
         WHERE datid IS NOT NULL
           AND coalesce(application_name, '') NOT IN ('madar', 'madar doctor')) AS other_connections;

-- name: get_session() one
-- For the operator's doctor: what holds for a session, in its own words; UTC has several names, and
-- a pooler keeps the one that it heard first.
SELECT current_setting('statement_timeout') AS statement_timeout,
       current_setting('lock_timeout') AS lock_timeout,
       current_setting('idle_in_transaction_session_timeout')
         AS idle_in_transaction_session_timeout,
       CASE
           WHEN current_setting('timezone') IN ('Etc/UTC', 'GMT', 'Etc/GMT') THEN 'UTC'
           ELSE current_setting('timezone')
       END AS timezone;

-- name: list_applied_migrations() many
-- For the operator: what this database says was applied.
SELECT version, sha256
  FROM schema_migrations
 ORDER BY version;

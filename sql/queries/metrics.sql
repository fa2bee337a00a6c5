-- name: list_states() many
-- For the operator, of all people: what is unfinished, and for how long the oldest has been so.
SELECT state, count(*)::int AS count,
       extract(epoch FROM now() - min(created_at))::float8 AS oldest_s
  FROM generations
 WHERE next_action_at IS NOT NULL
   AND deleted_at IS NULL
 GROUP BY state;

-- name: list_attempts() many
-- For the operator: what Fal has of us that somebody waits for, and since when. Each one is looked
-- up by itself (migration 0019).
SELECT state, count(*)::int AS count,
       extract(epoch FROM now() - min(sent_at))::float8 AS oldest_s
  FROM attempts a
 WHERE state IN ('sent', 'unknown', 'accepted')
   AND (SELECT next_action_at IS NOT NULL AND deleted_at IS NULL
          FROM generations
         WHERE id = a.generation_id)
 GROUP BY state;

-- name: get_backlog() one
-- For the operator: how long the longest due has waited for a worker, what is still to be removed,
-- and Fal's gate.
SELECT coalesce((SELECT extract(epoch FROM now() - min(next_action_at))
                   FROM generations
                  WHERE next_action_at <= now()
                    AND (lease_until IS NULL OR lease_until <= now())
                    AND deleted_at IS NULL), 0)::float8 AS lag_s,
       (SELECT count(*) FROM purges)::int AS purges,
       (SELECT extract(epoch FROM now() - min(created_at)) FROM purges)::float8 AS purges_oldest_s,
       (SELECT count(*) FROM fal_purges)::int AS fal_purges,
       (SELECT extract(epoch FROM now() - min(created_at))
          FROM fal_purges)::float8 AS fal_purges_oldest_s,
       paused_at IS NOT NULL OR coalesce(closed_until > now(), false) AS is_closed,
       CASE WHEN paused_at IS NOT NULL THEN 'paused' ELSE reason END AS reason
  FROM fal_gate;

-- name: count_active_users(within_s) value
-- For the operator: how many people were here lately.
SELECT count(DISTINCT user_id)::int
  FROM user_sessions
 WHERE last_seen_at > now() - make_interval(secs => $1);

-- name: get_sizes() one
-- For the operator: how many rows there are, roughly; what was never analysed counts as empty.
SELECT (SELECT reltuples FROM pg_class WHERE oid = 'generations'::regclass) AS generations,
       (SELECT reltuples FROM pg_class WHERE oid = 'uploads'::regclass) AS uploads;

-- name: get_masters_bytes(percent) value
-- For the operator, of all people: what masters take in storage. Of a part of the pages, because a
-- million rows take seconds to read.
SELECT coalesce(sum(file_size_bytes), 0)::float8 / ($1::real / 100)
  FROM generations TABLESAMPLE SYSTEM ($1::real)
 WHERE master_key IS NOT NULL;

-- name: get_uploads_bytes(percent) value
-- For the operator, of all people: the same of uploads.
SELECT coalesce(sum(file_size), 0)::float8 / ($1::real / 100)
  FROM uploads TABLESAMPLE SYSTEM ($1::real);

-- name: list_counters() many
SELECT name, value
  FROM counters;

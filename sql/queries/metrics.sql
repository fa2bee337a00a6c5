-- name: list_states() many
-- For the operator, of all people: what is unfinished, and for how long the oldest has been so.
SELECT state, count(*)::int AS count,
       extract(epoch FROM now() - min(created_at))::float8 AS oldest_s
  FROM generations
 WHERE next_action_at IS NOT NULL
   AND deleted_at IS NULL
 GROUP BY state;

-- name: list_attempts() many
-- What Fal has of us, and since when.
SELECT state, count(*)::int AS count,
       extract(epoch FROM now() - min(sent_at))::float8 AS oldest_s
  FROM attempts
 WHERE state IN ('sent', 'unknown', 'accepted')
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
       (SELECT count(*) FROM fal_purges)::int AS fal_purges,
       coalesce(closed_until > now(), false) AS is_closed,
       reason
  FROM fal_gate;

-- name: list_counters() many
SELECT name, value
  FROM counters;

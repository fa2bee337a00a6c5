-- A line at Fal, however long, costs a look at each of those in it. PostgreSQL's statistics come from
-- a sample: among a million pictures they know nothing of two thousand that wait since an hour ago. It
-- takes them for one row and compares each of them with each, which makes four million, at every
-- creation. So here each row is looked up by itself, and nothing is left to be guessed.
-- migrate:up

CREATE OR REPLACE VIEW fal_requests AS
SELECT a.id AS attempt_id,
       a.generation_id,
       g.user_id,
       a.state,
       coalesce(a.granted_at, a.sent_at) AS began_at,
       greatest(pace.step_seconds
                - extract(epoch FROM now() - coalesce(a.granted_at, a.sent_at)), 0) AS seconds_left,
       pace.seconds_to_go
  FROM attempts a
 CROSS JOIN LATERAL (SELECT user_id, style, next_action_at, deleted_at
                       FROM generations
                      WHERE id = a.generation_id
                     OFFSET 0) g
  JOIN style_paces pace ON pace.style = g.style AND pace.step = a.step
 WHERE (a.state IN ('sent', 'unknown', 'accepted')
        OR (a.state = 'prepared' AND a.granted_at IS NOT NULL))
   AND (a.state <> 'unknown' OR a.sent_at > now() - interval '1 minute')
   AND g.next_action_at IS NOT NULL
   AND g.deleted_at IS NULL;

CREATE OR REPLACE VIEW fal_line AS
SELECT attempt_id,
       generation_id,
       user_id,
       would_hold,
       held_seconds,
       seconds_to_go,
       row_number() OVER (
           ORDER BY would_hold + refusals, is_begun DESC, last_turn_at NULLS FIRST, waiting_since, attempt_id
       ) AS place
  FROM (SELECT a.id AS attempt_id,
               a.generation_id,
               g.user_id,
               a.step = 'cutout' AS is_begun,
               least(a.polls, 10) AS refusals,
               a.waiting_since,
               (SELECT last_at FROM fal_turns WHERE user_id = g.user_id) AS last_turn_at,
               coalesce(at_fal.n, 0) + row_number() OVER (
                   PARTITION BY g.user_id
                   ORDER BY a.polls, (a.step = 'cutout') DESC, g.created_at, g.id) AS would_hold,
               pace.held_seconds,
               pace.seconds_to_go
          FROM attempts a
         CROSS JOIN LATERAL (SELECT id, user_id, style, created_at, next_action_at, deleted_at
                               FROM generations
                              WHERE id = a.generation_id
                             OFFSET 0) g
          JOIN style_paces pace ON pace.style = g.style AND pace.step = a.step
          LEFT JOIN (SELECT user_id, count(*) AS n
                       FROM fal_requests
                      GROUP BY user_id) at_fal ON at_fal.user_id = g.user_id
         WHERE a.state = 'prepared'
           AND a.granted_at IS NULL
           AND a.waiting_since IS NOT NULL
           AND g.next_action_at IS NOT NULL
           AND g.deleted_at IS NULL) waiting;

CREATE OR REPLACE VIEW unfinished_generations AS
SELECT g.id,
       g.user_id,
       g.style,
       g.step,
       CASE WHEN g.lease_until > now() THEN 'running'
            WHEN g.next_action_at <= now() THEN 'queued'
            ELSE 'waiting' END AS state,
       CASE WHEN g.lease_until > now() OR g.next_action_at <= now() THEN NULL
            WHEN a.state = 'prepared' THEN 'turn'
            WHEN a.state = 'accepted' THEN 'fal'
            WHEN a.state IN ('sent', 'unknown') THEN 'proof'
            ELSE 'try' END AS waits_for,
       g.stumbles > 0 OR g.crashes > 0 AS is_stumbled,
       g.next_action_at,
       g.created_at
  FROM generations g
  LEFT JOIN LATERAL (SELECT state
                       FROM attempts
                      WHERE generation_id = g.id
                        AND state IN ('prepared', 'sent', 'unknown', 'accepted')
                     OFFSET 0) a ON true
 WHERE g.next_action_at IS NOT NULL
   AND g.deleted_at IS NULL;

-- migrate:down

-- name: join_line(id, generation_id, epoch) exec
-- For a worker whose attempt has no turn yet: it stands in the line, from now on or since before.
UPDATE attempts a
   SET waiting_since = coalesce(waiting_since, clock_timestamp())
  FROM generations g
 WHERE a.id = $1
   AND a.generation_id = $2
   AND a.state = 'prepared'
   AND a.granted_at IS NULL
   AND g.id = a.generation_id
   AND g.lease_epoch = $3
   AND g.next_action_at IS NOT NULL
   AND g.deleted_at IS NULL;

-- name: has_line() value
-- For the reconciler: whether anybody waits for a turn at all.
SELECT EXISTS (
    SELECT
      FROM attempts
     WHERE state = 'prepared'
       AND granted_at IS NULL
       AND waiting_since IS NOT NULL);

-- name: lock_gate() exec
-- Turns are given by one at a time; what the next statement counts is then true.
SELECT is_only
  FROM fal_gate
   FOR UPDATE;

-- name: grant_turns(places, asking_id) many
-- For the reconciler, and for a worker in the line; behind lock_gate, in the same transaction. The
-- free places at Fal go round between people in the order of the line, unless an operator has paused
-- it. While Fal fails, one turn at a time tries it; after that it goes on slowly for a minute. A
-- generation somebody is writing to at this moment waits for the next time. Whoever asks for its own
-- goes on with it; the others become due.
WITH free AS (
    SELECT least(greatest($1::bigint - (SELECT count(*) FROM fal_requests), 0),
                 CASE WHEN paused_at IS NOT NULL THEN 0
                      WHEN closed_until > clock_timestamp() THEN 0
                      WHEN failing_since IS NOT NULL THEN 1
                      WHEN steady_at <= clock_timestamp() OR steady_at IS NULL THEN $1
                      WHEN next_turn_at > clock_timestamp() THEN 0
                      ELSE 1 END) AS n
      FROM fal_gate
), chosen AS (
    SELECT attempt_id, generation_id
      FROM fal_line
     ORDER BY place
     LIMIT (SELECT n FROM free)
), locked AS (
    SELECT g.id, chosen.attempt_id
      FROM generations g
      JOIN chosen ON chosen.generation_id = g.id
     ORDER BY g.id
       FOR NO KEY UPDATE OF g SKIP LOCKED
), granted AS (
    UPDATE attempts a
       SET granted_at = clock_timestamp()
      FROM locked
     WHERE a.id = locked.attempt_id
       AND a.state = 'prepared'
       AND a.granted_at IS NULL
    RETURNING a.generation_id
), woken AS (
    UPDATE generations g
       SET next_action_at = CASE WHEN g.id = $2::uuid THEN g.next_action_at
                                 ELSE clock_timestamp() END,
           queue_position = NULL,
           version = version + (g.queue_position IS NOT NULL)::int,
           updated_at = now()
      FROM granted
     WHERE g.id = granted.generation_id
       AND g.next_action_at IS NOT NULL
       AND g.deleted_at IS NULL
    RETURNING g.id, g.user_id
), served AS (
    INSERT INTO fal_turns (user_id, last_at)
    SELECT user_id, clock_timestamp()
      FROM woken
     GROUP BY user_id
        ON CONFLICT (user_id) DO UPDATE
       SET last_at = excluded.last_at
), forgotten AS (
    DELETE FROM fal_turns
     WHERE last_at < now() - interval '1 hour'
       AND EXISTS (SELECT FROM woken)
       AND user_id NOT IN (SELECT user_id FROM woken)
), gate AS (
    UPDATE fal_gate
       SET places = $1,
           next_turn_at = clock_timestamp() + interval '200 milliseconds'
     WHERE EXISTS (SELECT FROM woken)
)
SELECT id
  FROM woken;

-- name: get_gate() one
-- For the operator, and for whoever asks how Madar is: what keeps submissions back.
SELECT paused_at, pause_reason, pause_reason_ar, failing_since, reason, places,
       extract(epoch FROM greatest(closed_until - now(), interval '0'))::float8 AS closed_s
  FROM fal_gate;

-- name: count_waiting() value
-- For the operator: what is not submitted yet. Each attempt is looked up by itself, since statistics
-- know nothing of a queue that is young (migration 0019); so it is below.
SELECT count(*)::int
  FROM generations g
 WHERE next_action_at IS NOT NULL
   AND deleted_at IS NULL
   AND (SELECT true
          FROM attempts
         WHERE generation_id = g.id
           AND state = 'prepared');

-- name: pause_gate(reason, reason_ar) many
-- For the operator, behind lock_gate: nothing is submitted from then on; a turn that nobody has used
-- yet is taken back. Answers what waits, whose readers are to be told. A second time changes the
-- reasons, not since when. A worker of a release that knows no pause sees a gate that is closed.
WITH gate AS (
    UPDATE fal_gate
       SET paused_at = coalesce(paused_at, now()),
           pause_reason = $1,
           pause_reason_ar = $2,
           closed_until = now() + interval '100 years'
), waiting AS (
    SELECT id
      FROM generations g
     WHERE next_action_at IS NOT NULL
       AND deleted_at IS NULL
       AND (SELECT true
              FROM attempts
             WHERE generation_id = g.id
               AND state = 'prepared')
     ORDER BY id
       FOR NO KEY UPDATE
), taken_back AS (
    UPDATE attempts a
       SET granted_at = NULL,
           waiting_since = coalesce(a.waiting_since, now())
      FROM waiting
     WHERE a.generation_id = waiting.id
       AND a.state = 'prepared'
       AND a.granted_at IS NOT NULL
)
UPDATE generations g
   SET expected_at = NULL,
       version = g.version + 1,
       updated_at = now()
  FROM waiting
 WHERE g.id = waiting.id
RETURNING g.id;

-- name: resume_gate() many
-- For the operator, behind lock_gate: what waits gets back the time for which it had to, and is
-- answered, for its readers to be told.
WITH paused AS (
    SELECT paused_at
      FROM fal_gate
     WHERE paused_at IS NOT NULL
), gate AS (
    UPDATE fal_gate
       SET paused_at = NULL,
           pause_reason = NULL,
           pause_reason_ar = NULL,
           closed_until = CASE WHEN failing_since IS NOT NULL THEN now() END
     WHERE paused_at IS NOT NULL
), waiting AS (
    SELECT g.id,
           g.deadline_at + (now() - greatest(paused.paused_at, a.created_at)) AS deadline_at
      FROM paused
      JOIN generations g ON g.next_action_at IS NOT NULL AND g.deleted_at IS NULL
     CROSS JOIN LATERAL (SELECT created_at
                           FROM attempts
                          WHERE generation_id = g.id
                            AND state = 'prepared'
                         OFFSET 0) a
     ORDER BY g.id
       FOR NO KEY UPDATE OF g
)
UPDATE generations g
   SET deadline_at = waiting.deadline_at,
       next_action_at = least(g.next_action_at, waiting.deadline_at),
       version = g.version + 1,
       updated_at = now()
  FROM waiting
 WHERE g.id = waiting.id
RETURNING g.id;

-- name: insert_wake_ups(ids) exec
-- For who made them due, in the same transaction; ring the workers after it.
INSERT INTO procrastinate_jobs (queue_name, task_name, args, queueing_lock)
SELECT 'generations', 'generations.advance', jsonb_build_object('generation_id', id), id::text
  FROM unnest($1::uuid[]) AS id
    ON CONFLICT (queueing_lock) WHERE status = 'todo' DO NOTHING;

-- name: hold_gate(probe_s) exec
-- After a turn was given while Fal fails: the next try is not before that.
UPDATE fal_gate
   SET closed_until = clock_timestamp() + make_interval(secs => $1)
 WHERE failing_since IS NOT NULL;

-- name: close_gate(reason, least_s, most_s) exec
-- Fal refused or could not be reached: everybody waits, the longer the longer it has been so, up to
-- `most_s` (and at least `least_s`); half to one and a half of it, so that processes part.
UPDATE fal_gate
   SET failing_since = coalesce(failing_since, now()),
       reason = $1,
       closed_until = greatest(closed_until, now() + make_interval(secs => greatest($2, least($3,
           extract(epoch FROM now() - coalesce(failing_since, now())) * (0.5 + random()) / 2))));

-- name: open_gate() exec
-- Fal takes requests again; for a while the turns are given slowly. A pause goes on.
UPDATE fal_gate
   SET failing_since = NULL,
       reason = NULL,
       closed_until = CASE WHEN paused_at IS NOT NULL THEN closed_until END,
       steady_at = now() + interval '1 minute'
 WHERE failing_since IS NOT NULL;

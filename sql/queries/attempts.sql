-- name: get_attempt_to_advance(generation_id) one
-- For a worker: the live attempt, else the newest that succeeded, with its ages by the database's
-- clock. A success that came late may be older than an attempt that was abandoned for it. What was
-- begun before the rows were restored may have been sent since they were backed up.
SELECT a.id, a.n, a.step, a.state, a.seed, a.endpoint, a.arguments, a.request_id, a.polls,
       a.result, a.sent_at, a.announced_at IS NOT NULL AS is_announced,
       extract(epoch FROM now() - a.sent_at)::float8 AS sent_age_s,
       extract(epoch FROM now() - a.accepted_at)::float8 AS accepted_age_s,
       a.granted_at IS NOT NULL AS is_granted,
       same.tries, same.successes,
       restored.restored_from, restored.restored_at,
       extract(epoch FROM now() - restored.restored_at)::float8 AS restored_age_s
  FROM attempts a
  JOIN generations g ON g.id = a.generation_id
  LEFT JOIN installation restored ON g.created_at <= restored.restored_at
 CROSS JOIN LATERAL (
    SELECT count(*)::int AS tries,
           count(*) FILTER (WHERE state = 'succeeded')::int AS successes
      FROM attempts
     WHERE generation_id = a.generation_id
       AND step = a.step) same
 WHERE a.generation_id = $1
 ORDER BY a.state IN ('prepared', 'sent', 'unknown', 'accepted') DESC,
          a.state = 'succeeded' DESC,
          a.resolved_at DESC,
          a.n DESC
 LIMIT 1;

-- name: get_drawn_result(generation_id) value
-- For a worker: what the drawing step answered, to cut out from it again.
SELECT result
  FROM attempts
 WHERE generation_id = $1
   AND step = 'draw'
   AND state = 'succeeded'
 ORDER BY resolved_at DESC
 LIMIT 1;

-- name: mark_attempt_sent(id, generation_id, epoch, endpoint, arguments) exec
-- For a worker whose turn it is, committed before the request leaves. No row: somebody else sends
-- it, or sent it.
UPDATE attempts a
   SET state = 'sent',
       sent_at = now(),
       endpoint = $4,
       arguments = $5
  FROM generations g
 WHERE a.id = $1
   AND a.generation_id = $2
   AND a.state = 'prepared'
   AND a.granted_at IS NOT NULL
   AND g.id = a.generation_id
   AND g.lease_epoch = $3
   AND g.next_action_at IS NOT NULL
   AND g.deleted_at IS NULL;

-- name: mark_attempt_accepted(id, generation_id, epoch, request_id, next_s) maybe
-- For a worker. That Fal has it is a fact, whoever holds the lease now; only the schedule of
-- the generation belongs to the lease. Each statement here locks the generation first, so that
-- no two of them wait for each other. Fal takes requests again, if it did not.
WITH locked AS (
    SELECT id
      FROM generations
     WHERE id = $2
       FOR UPDATE
), attempt AS (
    UPDATE attempts a
       SET state = 'accepted',
           request_id = $4,
           polls = 0,
           accepted_at = coalesce(accepted_at, now())
      FROM locked
     WHERE a.id = $1
       AND a.generation_id = locked.id
       AND (a.state IN ('sent', 'unknown') OR (a.state = 'accepted' AND a.request_id = $4))
       AND NOT EXISTS (SELECT FROM attempts other
                        WHERE other.request_id = $4
                          AND other.id <> a.id)
    RETURNING a.generation_id, a.announced_at
), gate AS (
    UPDATE fal_gate
       SET failing_since = NULL,
           reason = NULL,
           closed_until = CASE WHEN paused_at IS NOT NULL THEN closed_until END,
           steady_at = now() + interval '1 minute'
     WHERE failing_since IS NOT NULL
)
UPDATE generations g
   SET fal_job_id = $4,
       fal_status = 'IN_QUEUE',
       lease_until = NULL,
       next_action_at = CASE
           WHEN attempt.announced_at IS NOT NULL THEN now()
           ELSE least(now() + make_interval(secs => $5),
                      greatest(g.deadline_at, now() + interval '1 second')) END,
       version = version + 1,
       updated_at = now()
  FROM attempt
 WHERE g.id = attempt.generation_id
   AND g.lease_epoch = $3
   AND g.next_action_at IS NOT NULL
   AND g.deleted_at IS NULL
RETURNING g.next_action_at <= now() AS is_due;

-- name: mark_attempt_found(id, generation_id, epoch, endpoint, arguments, request_id) maybe
-- For a worker: Fal has it since before these rows were restored, which say that it was never sent.
WITH locked AS (
    SELECT id
      FROM generations
     WHERE id = $2
       AND lease_epoch = $3
       AND next_action_at IS NOT NULL
       AND deleted_at IS NULL
       FOR UPDATE
), attempt AS (
    UPDATE attempts a
       SET state = 'accepted',
           endpoint = $4,
           arguments = $5,
           request_id = $6,
           polls = 0,
           sent_at = (SELECT restored_from FROM installation),
           accepted_at = now(),
           granted_at = coalesce(granted_at, now())
      FROM locked
     WHERE a.id = $1
       AND a.generation_id = locked.id
       AND a.state = 'prepared'
       AND NOT EXISTS (SELECT FROM attempts other
                        WHERE other.request_id = $6)
    RETURNING a.generation_id
)
UPDATE generations g
   SET fal_job_id = $6,
       fal_status = 'IN_QUEUE',
       lease_until = NULL,
       next_action_at = now(),
       queue_position = NULL,
       version = version + 1,
       updated_at = now()
  FROM attempt
 WHERE g.id = attempt.generation_id
RETURNING true AS is_due;

-- name: put_attempt_back(id, generation_id, epoch, claimed_at) maybe
-- For a worker that knows the request never left: back into the line, at its old place. A due time
-- newer than the claim is a webhook's, and is due at once.
WITH generation AS (
    UPDATE generations
       SET lease_until = NULL,
           next_action_at = CASE WHEN next_action_at > $4 THEN now()
                                 ELSE greatest(deadline_at, now() + interval '1 second') END
     WHERE id = $2
       AND lease_epoch = $3
       AND next_action_at IS NOT NULL
       AND deleted_at IS NULL
    RETURNING id, next_action_at <= now() AS is_due
), attempt AS (
    UPDATE attempts a
       SET state = 'prepared',
           sent_at = NULL,
           granted_at = NULL,
           waiting_since = coalesce(waiting_since, now()),
           polls = polls + 1
      FROM generation
     WHERE a.id = $1
       AND a.generation_id = generation.id
       AND a.state = 'sent'
)
SELECT is_due
  FROM generation;

-- name: forget_sending(id) exec
-- For a worker that knows the request never left, while its person ended or deleted the picture:
-- nothing was paid for, and nothing is to be looked for at Fal.
WITH attempt AS (
    UPDATE attempts a
       SET state = 'failed',
           error_type = 'never_left',
           sent_at = NULL
      FROM generations g
     WHERE a.id = $1
       AND a.state IN ('sent', 'abandoned')
       AND g.id = a.generation_id
       AND (g.next_action_at IS NULL OR g.deleted_at IS NOT NULL)
    RETURNING a.id
)
DELETE FROM fal_purges p
 USING attempt
 WHERE p.attempt_id = attempt.id
   AND p.request_id IS NULL;

-- name: mark_attempt_unknown(id, generation_id, epoch, next_s) maybe
-- For a worker: the request may or may not have arrived; it is looked up, never repeated. When a
-- webhook has bound it meanwhile, it is due at once.
WITH locked AS (
    SELECT id
      FROM generations
     WHERE id = $2
       AND lease_epoch = $3
       AND next_action_at IS NOT NULL
       AND deleted_at IS NULL
       FOR UPDATE
), attempt AS (
    UPDATE attempts a
       SET state = CASE a.state WHEN 'sent' THEN 'unknown' ELSE a.state END
      FROM locked
     WHERE a.id = $1
       AND a.generation_id = locked.id
    RETURNING a.generation_id, a.state
)
UPDATE generations g
   SET lease_until = NULL,
       next_action_at = CASE
           WHEN attempt.state NOT IN ('sent', 'unknown') THEN now()
           ELSE least(now() + make_interval(secs => $4),
                      greatest(g.deadline_at, now() + interval '1 second')) END
  FROM attempt
 WHERE g.id = attempt.generation_id
RETURNING g.next_action_at <= now() AS is_due;

-- name: count_poll(id, generation_id, epoch) exec
-- For a worker: the number of polls sets the pace of the next.
UPDATE attempts a
   SET polls = polls + 1
  FROM generations g
 WHERE a.id = $1
   AND a.generation_id = $2
   AND g.id = a.generation_id
   AND g.lease_epoch = $3;

-- name: renew_result(id, generation_id, epoch, result) exec
-- For a worker: the picture lies at another address by now.
UPDATE attempts a
   SET result = $4
  FROM generations g
 WHERE a.id = $1
   AND a.generation_id = $2
   AND g.id = a.generation_id
   AND g.lease_epoch = $3;

-- name: finish_step(id, generation_id, epoch, seen_state, result, next_step, progress, prompt_english) maybe
-- For a worker: the attempt is resolved, with a result or (a translation) without; go on to the
-- next step. No row when the attempt is not any more as the worker saw it. What is paid for gets
-- the time to be finished: minutes for another step, a day for finalizing, while storage is away.
WITH locked AS (
    SELECT id
      FROM generations
     WHERE id = $2
       AND lease_epoch = $3
       AND next_action_at IS NOT NULL
       AND deleted_at IS NULL
       FOR UPDATE
), attempt AS (
    UPDATE attempts a
       SET state = CASE WHEN $5::jsonb IS NULL THEN 'failed' ELSE 'succeeded' END,
           result = $5,
           polls = 0,
           resolved_at = now()
      FROM locked
     WHERE a.id = $1
       AND a.generation_id = locked.id
       AND a.state = $4
    RETURNING a.generation_id
)
UPDATE generations g
   SET state = CASE WHEN g.state = 'reviving' THEN g.state
                    WHEN $6 = 'finalize' THEN 'finalizing'
                    ELSE 'processing' END,
       step = $6,
       started_at = coalesce(started_at, now()),
       fal_progress = greatest(fal_progress, $7),
       queue_position = NULL,
       prompt_english = coalesce($8::text, prompt_english),
       translation = CASE WHEN step <> 'translate' THEN translation
                          WHEN $8 IS NULL THEN 'failed'
                          ELSE 'done' END,
       deadline_at = CASE $6 WHEN 'finalize' THEN now() + interval '24 hours'
                             ELSE greatest(deadline_at, now() + interval '5 minutes') END,
       lease_until = NULL,
       next_action_at = now(),
       version = version + 1,
       updated_at = now()
  FROM attempt
 WHERE g.id = attempt.generation_id
RETURNING true AS is_due;

-- name: retry_step(id, generation_id, epoch, seen_state, end_state, error_type, next_s) maybe
-- For a worker: the attempt is proved dead (failed) or taken for it (abandoned), if it is still as
-- the worker saw it; the same step gets another one.
WITH locked AS (
    SELECT id
      FROM generations
     WHERE id = $2
       AND lease_epoch = $3
       AND next_action_at IS NOT NULL
       AND deleted_at IS NULL
       FOR UPDATE
), attempt AS (
    UPDATE attempts a
       SET state = $5,
           error_type = $6,
           resolved_at = now()
      FROM locked
     WHERE a.id = $1
       AND a.generation_id = locked.id
       AND a.state = $4
    RETURNING a.generation_id
)
UPDATE generations g
   SET lease_until = NULL,
       next_action_at = least(now() + make_interval(secs => $7),
                            greatest(deadline_at, now() + interval '1 second')),
       fal_error = $6,
       version = version + 1,
       updated_at = now()
  FROM attempt
 WHERE g.id = attempt.generation_id
RETURNING false AS is_due;

-- name: fail_generation(id, epoch, attempt_id, seen_state, end_state, error_code, fal_error) maybe
-- For a worker. A live attempt ends with its generation; no row when the attempt is not any more
-- as the worker saw it. One that is being revived keeps the reason for which it failed first.
WITH locked AS (
    SELECT id
      FROM generations
     WHERE id = $1
       AND lease_epoch = $2
       AND next_action_at IS NOT NULL
       AND deleted_at IS NULL
       FOR UPDATE
), attempt AS (
    UPDATE attempts a
       SET state = CASE a.state WHEN 'succeeded' THEN a.state ELSE $5 END,
           error_type = $7,
           resolved_at = coalesce(resolved_at, now())
      FROM locked
     WHERE a.id = $3
       AND a.generation_id = locked.id
       AND a.state = $4
    RETURNING a.generation_id
)
UPDATE generations g
   SET state = 'failed',
       translation = CASE translation WHEN 'pending' THEN 'failed' ELSE translation END,
       error_code = coalesce(error_code, $6),
       fal_error = $7,
       lease_until = NULL,
       next_action_at = NULL,
       queue_position = NULL,
       version = version + 1,
       updated_at = now()
  FROM attempt
 WHERE g.id = attempt.generation_id
RETURNING false AS is_due;

-- name: repeat_cutout(generation_id, epoch) maybe
-- For a worker whose picture turned out not to be transparent: one step back.
UPDATE generations
   SET state = CASE WHEN state = 'reviving' THEN state ELSE 'processing' END,
       step = 'cutout',
       lease_until = NULL,
       next_action_at = now(),
       version = version + 1,
       updated_at = now()
 WHERE id = $1
   AND lease_epoch = $2
   AND step = 'finalize'
   AND next_action_at IS NOT NULL
   AND deleted_at IS NULL
RETURNING true AS is_due;

-- name: insert_attempt(id, generation_id, step) exec
-- For a worker, in the transaction that resolved the attempt before it.
INSERT INTO attempts (id, generation_id, n, step, seed)
SELECT $1, g.id, 1 + (SELECT max(n) FROM attempts a WHERE a.generation_id = g.id), $3, g.seed
  FROM generations g
 WHERE g.id = $2;

-- name: announce_result(attempt_id, request_id) value
-- For a verified webhook, which may come before the submission's own answer: bind the request to
-- its attempt, and wake a worker, which has time to fetch what is paid for. Late, repeated and
-- useless deliveries change nothing.
WITH locked AS (
    SELECT g.id
      FROM generations g
      JOIN attempts a ON a.generation_id = g.id
     WHERE a.id = $1
       AND g.next_action_at IS NOT NULL
       AND g.deleted_at IS NULL
       FOR UPDATE OF g
), attempt AS (
    UPDATE attempts a
       SET state = 'accepted',
           request_id = $2,
           accepted_at = coalesce(accepted_at, now()),
           announced_at = now()
      FROM locked
     WHERE a.id = $1
       AND a.generation_id = locked.id
       AND a.state IN ('prepared', 'sent', 'unknown', 'accepted')
       AND a.endpoint IS NOT NULL
       AND a.announced_at IS NULL
       AND (a.request_id IS NULL OR a.request_id = $2)
       AND NOT EXISTS (SELECT FROM attempts other
                        WHERE other.request_id = $2
                          AND other.id <> a.id)
    RETURNING a.generation_id
), generation AS (
    UPDATE generations g
       SET next_action_at = clock_timestamp(),
           deadline_at = greatest(g.deadline_at, now() + interval '1 hour')
      FROM attempt
     WHERE g.id = attempt.generation_id
    RETURNING g.id
), job AS (
    INSERT INTO procrastinate_jobs (queue_name, task_name, args, queueing_lock)
    SELECT 'generations', 'generations.advance',
           jsonb_build_object('generation_id', id), id::text
      FROM generation
        ON CONFLICT (queueing_lock) WHERE status = 'todo' DO NOTHING
)
SELECT id
  FROM generation;

-- name: list_bound_requests(request_ids, attempt_id) many
-- For a worker that looks an unclear submission up: which of these requests have another attempt.
SELECT request_id
  FROM attempts
 WHERE request_id = ANY ($1::text[])
   AND id <> $2;

-- name: lock_delivered_generation(attempt_id) value
-- For a verified webhook that found nothing to wake: it decides alone what the delivery means.
SELECT g.id
  FROM generations g
  JOIN attempts a ON a.generation_id = g.id
 WHERE a.id = $1
   FOR NO KEY UPDATE OF g;

-- name: get_delivered_attempt(attempt_id, request_id) one
-- For a verified webhook, behind the lock.
SELECT a.state,
       a.request_id,
       a.error_type,
       g.id AS generation_id,
       g.state AS generation_state,
       g.error_code,
       g.deleted_at IS NOT NULL AND g.gone_at IS NULL AS is_deleted,
       g.step = a.step AS is_at_its_step,
       EXISTS (SELECT
                 FROM attempts other
                WHERE other.request_id = $2
                  AND other.id <> a.id) AS is_anothers,
       EXISTS (SELECT
                 FROM attempts other
                WHERE other.generation_id = a.generation_id
                  AND other.id <> a.id
                  AND other.step = a.step
                  AND other.state = 'accepted'
                  AND other.announced_at IS NOT NULL) AS is_beaten
  FROM attempts a
  JOIN generations g ON g.id = a.generation_id
 WHERE a.id = $1;

-- name: end_rivals(generation_id, attempt_id) many
-- For a verified webhook: an earlier attempt succeeded after all, so the one that was made instead
-- of it is not wanted; answers those that may have been paid for, and counts them.
WITH rival AS (
    UPDATE attempts
       SET state = 'failed',
           error_type = CASE WHEN sent_at IS NULL THEN 'superseded' ELSE 'duplicate' END,
           resolved_at = now()
     WHERE generation_id = $1
       AND id <> $2
       AND state IN ('prepared', 'sent', 'unknown', 'accepted')
    RETURNING id, error_type
), paid AS (
    SELECT id
      FROM rival
     WHERE error_type = 'duplicate'
), counted AS (
    INSERT INTO counters (name, value)
    SELECT 'duplicate_paid', count(*)
      FROM paid
    HAVING count(*) > 0
        ON CONFLICT (name) DO UPDATE
       SET value = counters.value + excluded.value
)
SELECT id
  FROM paid;

-- name: adopt_attempt(attempt_id, request_id) exec
-- For a verified webhook: we had stopped waiting for it, and it succeeded. A generation that had
-- failed meanwhile is worked on again, unseen until it is completed.
WITH attempt AS (
    UPDATE attempts a
       SET state = 'accepted',
           request_id = $2,
           polls = 0,
           error_type = NULL,
           accepted_at = coalesce(accepted_at, now()),
           announced_at = now(),
           resolved_at = NULL
     WHERE id = $1
       AND state = 'abandoned'
       AND NOT EXISTS (SELECT FROM attempts other
                        WHERE other.request_id = $2
                          AND other.id <> $1)
    RETURNING generation_id
), generation AS (
    UPDATE generations g
       SET state = CASE WHEN g.state = 'failed' THEN 'reviving' ELSE g.state END,
           deadline_at = greatest(g.deadline_at, now() + interval '1 hour'),
           next_action_at = clock_timestamp(),
           crashes = 0,
           stumbles = 0
      FROM attempt
     WHERE g.id = attempt.generation_id
       AND g.state <> 'completed'
       AND g.deleted_at IS NULL
    RETURNING g.id
), job AS (
    INSERT INTO procrastinate_jobs (queue_name, task_name, args, queueing_lock)
    SELECT 'generations', 'generations.advance',
           jsonb_build_object('generation_id', id), id::text
      FROM generation
        ON CONFLICT (queueing_lock) WHERE status = 'todo' DO NOTHING
)
INSERT INTO counters (name, value)
SELECT 'late_successes', 1
  FROM generation
    ON CONFLICT (name) DO UPDATE
   SET value = counters.value + 1;

-- name: settle_duplicate(attempt_id, request_id) exec
-- For a verified webhook: it was paid for although another attempt of the same step succeeded.
WITH attempt AS (
    UPDATE attempts
       SET state = 'failed',
           error_type = 'duplicate',
           request_id = CASE WHEN EXISTS (SELECT FROM attempts WHERE request_id = $2)
                             THEN request_id ELSE $2 END
     WHERE id = $1
       AND state = 'abandoned'
    RETURNING id
)
INSERT INTO counters (name, value)
SELECT 'duplicate_paid', 1
  FROM attempt
    ON CONFLICT (name) DO UPDATE
   SET value = counters.value + 1;

-- name: get_unwanted(attempt_id) maybe
-- For a worker that learnt the id of a request too late: whether nobody wants its result any more.
SELECT g.deleted_at IS NULL OR g.gone_at IS NOT NULL AS keeps_payload
  FROM attempts a
  JOIN generations g ON g.id = a.generation_id
 WHERE a.id = $1
   AND (a.state IN ('failed', 'abandoned') OR g.deleted_at IS NOT NULL);

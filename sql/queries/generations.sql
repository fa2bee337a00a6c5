-- name: insert_generation(id, owner_id, prompt, style, aspect_ratio, input_type, source_upload_id, custom_colors, seed, first_step, attempt_id, deadline_s, language, prompt_english, translation, parent_id) json
-- Generation, first attempt and wake-up, all or nothing, and the answer for the wire. No row: the
-- style is not offered, or the account is being deleted: that and this wait for each other.
-- Without a prompt the style's own is taken, in the person's language. The estimate is what the
-- style usually takes after a turn in the line (turns.sql); while Fal fails or submitting is paused
-- there is none.
WITH owner AS (
    SELECT id
      FROM users
     WHERE id = $2
       AND deleted_at IS NULL
       FOR KEY SHARE
), style AS (
    SELECT id, typical_seconds,
           CASE $13::text WHEN 'ar' THEN default_prompt_ar ELSE default_prompt END AS prompt,
           default_prompt AS prompt_english
      FROM generation_styles
     WHERE id = $4
       AND is_active
       AND EXISTS (SELECT FROM owner)
), line AS (
    SELECT user_id, would_hold, held_seconds
      FROM fal_line
), at_fal AS (
    SELECT count(*) AS n,
           count(*) FILTER (WHERE user_id = $2) AS own,
           coalesce(sum(seconds_left), 0) AS seconds
      FROM fal_requests
), ahead AS (
    SELECT count(*) AS n, coalesce(sum(held_seconds), 0) AS seconds
      FROM line
     WHERE would_hold <= 1 + coalesce((SELECT max(would_hold) FROM line WHERE user_id = $2),
                                      (SELECT own FROM at_fal))
), estimate AS (
    SELECT style.typical_seconds
           + CASE WHEN ahead.n + at_fal.n < gate.places THEN 0
                  ELSE (ahead.seconds + at_fal.seconds) / gate.places END AS seconds
      FROM style, ahead, at_fal, fal_gate gate
     WHERE gate.failing_since IS NULL
       AND gate.paused_at IS NULL
), answer AS (
    SELECT json_strip_nulls(json_build_object(
               'id', $1::uuid,
               'status', 'queued',
               'progress', 0,
               'estimatedTimeSeconds', (SELECT ceil(seconds) FROM estimate),
               'jobId', $11::uuid,
               'parentId', $16::uuid)) AS body
      FROM style
), generation AS (
    INSERT INTO generations (id, user_id, prompt, prompt_english, style, aspect_ratio,
                             input_type, source_upload_id, custom_colors, seed, step, deadline_at,
                             translation, parent_id, promised_at, expected_at)
    SELECT $1, $2, coalesce($3::text, style.prompt),
           CASE WHEN $3 IS NULL THEN style.prompt_english ELSE $14::text END, style.id, $5,
           $6, $7::uuid, $8::jsonb, $9, $10, now() + make_interval(secs => $12),
           $15, $16, now() + make_interval(secs => estimate.seconds),
           now() + make_interval(secs => estimate.seconds)
      FROM style
      LEFT JOIN estimate ON true
    RETURNING id, step, seed
), attempt AS (
    INSERT INTO attempts (id, generation_id, n, step, seed)
    SELECT $11, id, 1, step, seed
      FROM generation
), job AS (
    INSERT INTO procrastinate_jobs (queue_name, task_name, args, queueing_lock)
    SELECT 'generations', 'generations.advance',
           jsonb_build_object('generation_id', id), id::text
      FROM generation
)
SELECT answer.body
  FROM generation, answer;

-- name: get_quota_use(owner_id, window_s) one
-- What counts of the last window, and when the oldest of it stops counting: not what failed through
-- no fault of the person's, deleted or not, and not what was cancelled or deleted before anything
-- was sent.
SELECT count(*)::int AS used,
       extract(epoch FROM min(created_at) + make_interval(secs => $2) - now())::float8
           AS seconds_to_next
  FROM (SELECT created_at
          FROM generations
         WHERE user_id = $1
           AND created_at > now() - make_interval(secs => $2)
           AND deleted_at IS NULL
           AND (state NOT IN ('failed', 'reviving') OR error_code = 'content_policy')
         UNION ALL
        SELECT created_at
          FROM generations g
         WHERE user_id = $1
           AND created_at > now() - make_interval(secs => $2)
           AND deleted_at IS NULL
           AND error_code = 'cancelled'
           AND EXISTS (SELECT
                         FROM attempts
                        WHERE generation_id = g.id
                          AND sent_at IS NOT NULL)
         UNION ALL
        SELECT created_at
          FROM generations g
         WHERE user_id = $1
           AND created_at > now() - make_interval(secs => $2)
           AND deleted_at IS NOT NULL
           AND (state NOT IN ('failed', 'reviving')
                OR error_code IN ('content_policy', 'cancelled'))
           AND EXISTS (SELECT
                         FROM attempts
                        WHERE generation_id = g.id
                          AND sent_at IS NOT NULL)) counted;

-- name: get_seen_generation(token_hash, session_id, id) maybe
-- Who asks and what they see in one question; no row for nobody, no document for what is not theirs.
SELECT v.id AS user_id, v.session_id, v.language, v.is_language_chosen,
       g.document::text AS document
  FROM live_viewer($1, $2) v
  LEFT JOIN generation_documents g ON g.user_id = v.id AND g.id = $3;

-- name: update_generation(owner_id, id, is_liked) exec
-- The version stays: it tells of the picture's making.
UPDATE generations
   SET is_liked = $3,
       updated_at = now()
 WHERE user_id = $1
   AND id = $2
   AND deleted_at IS NULL;

-- name: delete_generation(owner_id, id, trash_s) value
-- Gone for its owner at once; workers find nothing to do. A completed one lies in the trash for a
-- while, and the answer is true. Of any other, and without a trash, the objects are to be removed;
-- what Fal has of it is named by insert_fal_purges_of_generations in the same transaction.
WITH gone AS (
    UPDATE generations
       SET deleted_at = now(),
           gone_at = CASE WHEN state = 'completed' AND $3::float8 > 0
                          THEN now() + make_interval(secs => $3) END,
           next_action_at = NULL,
           lease_until = NULL,
           version = version + 1,
           updated_at = now()
     WHERE user_id = $1
       AND id = $2
       AND deleted_at IS NULL
    RETURNING gone_at, master_key, result_image_key, thumbnail_key
), purge AS (
    INSERT INTO purges (object_key)
    SELECT object_key
      FROM gone, unnest(ARRAY[master_key, result_image_key, thumbnail_key]) AS object_key
     WHERE gone_at IS NULL
       AND object_key IS NOT NULL
        ON CONFLICT DO NOTHING
)
SELECT gone_at IS NOT NULL
  FROM gone;

-- name: delete_generations(owner_id) exec
-- All of a person's, their trash too, with their account, and their objects are to be removed; what
-- Fal has of them is named by insert_fal_purges_of_account in the same transaction. The rows are
-- locked in the order of their ids, and before their objects are named: whoever deletes or counts
-- some of them at the same time comes before or after, and none waits for the other in turn.
WITH theirs AS (
    SELECT id
      FROM generations
     WHERE user_id = $1
       AND (deleted_at IS NULL OR gone_at IS NOT NULL)
     ORDER BY id
       FOR NO KEY UPDATE
), gone AS (
    UPDATE generations g
       SET deleted_at = now(),
           gone_at = NULL,
           next_action_at = NULL,
           lease_until = NULL,
           version = version + 1,
           updated_at = now()
      FROM theirs
     WHERE g.id = theirs.id
    RETURNING g.master_key, g.result_image_key, g.thumbnail_key
)
INSERT INTO purges (object_key)
SELECT DISTINCT object_key
  FROM gone, unnest(ARRAY[master_key, result_image_key, thumbnail_key]) AS object_key
 WHERE object_key IS NOT NULL
    ON CONFLICT DO NOTHING;

-- name: get_generation_document(owner_id, id) json
SELECT document
  FROM generation_documents
 WHERE user_id = $1
   AND id = $2;

-- name: get_download(owner_id, id) maybe
-- The master of a completed picture and the words for its file name.
SELECT master_key, prompt, style
  FROM generations
 WHERE user_id = $1
   AND id = $2
   AND state = 'completed'
   AND deleted_at IS NULL;

-- name: claim_generation_to_advance(id, owner, lease_s, may_be_suspect) maybe
-- For a worker: the lease of one due generation, or no row when nothing is due or it is taken.
-- The epoch grows with each claim; every later write names it, so a worker that lost its lease
-- changes nothing. A lease that ran out instead of being given back is a worker that crashed; such
-- a suspect is only for who takes one at a time, lest it takes those beside it along.
UPDATE generations g
   SET lease_owner = $2,
       lease_epoch = lease_epoch + 1,
       lease_until = now() + make_interval(secs => $3),
       crashes = CASE WHEN g.lease_until IS NULL THEN 0 ELSE g.crashes + 1 END
  FROM generation_styles s
 WHERE g.id = $1
   AND s.id = g.style
   AND g.deleted_at IS NULL
   AND g.next_action_at <= now()
   AND (g.lease_until IS NULL OR ($4 AND g.lease_until <= now()))
RETURNING g.id, g.lease_epoch, g.user_id, g.state, g.step, g.prompt, g.prompt_english, g.seed,
          g.aspect_ratio, g.source_upload_id, g.custom_colors, g.style,
          g.fal_progress, g.fal_status, g.queue_position, g.crashes,
          g.deadline_at <= now() AS is_overdue, now() AS claimed_at,
          (SELECT paused_at IS NOT NULL FROM fal_gate) AS is_paused,
          s.fal_model_params AS style_params;

-- name: extend_leases(ids, epochs, lease_s) exec
-- For the worker that holds them, while it works.
UPDATE generations g
   SET lease_until = now() + make_interval(secs => $3)
  FROM unnest($1::uuid[], $2::bigint[]) AS held (id, epoch)
 WHERE g.id = held.id
   AND g.lease_epoch = held.epoch
   AND g.lease_until IS NOT NULL
   AND g.next_action_at IS NOT NULL
   AND g.deleted_at IS NULL;

-- name: release_leases(owner) exec
-- For a worker that stops: what it held is due for others at once.
UPDATE generations
   SET lease_until = NULL
 WHERE lease_owner = $1
   AND lease_until IS NOT NULL
   AND next_action_at IS NOT NULL;

-- name: release_dropped_leases(owner, held_ids, left_s) exec
-- For a worker that works on: what a lost connection made it drop is due for everybody at once. A
-- lease with longer to go may be of a claim whose answer is still on its way.
UPDATE generations
   SET lease_until = NULL
 WHERE lease_owner = $1
   AND lease_until < now() + make_interval(secs => $3)
   AND id <> ALL ($2::uuid[])
   AND next_action_at IS NOT NULL;

-- name: list_due_generations(n) many
-- For the reconciler: what is due and in nobody's hands, the longest due first. A lease that ran
-- out may be that of a worker which died of the generation: of these, which are taken one at a time,
-- those first that saw the fewest workers die, lest the same one is in hand whenever a worker ends.
SELECT id,
       lease_until IS NOT NULL AS is_suspect
  FROM generations
 WHERE next_action_at <= now()
   AND (lease_until IS NULL OR lease_until <= now())
   AND deleted_at IS NULL
 ORDER BY lease_until IS NULL,
          CASE WHEN lease_until IS NOT NULL THEN crashes END,
          next_action_at
 LIMIT $1;

-- name: get_seconds_until_due() value
-- For the reconciler: how long until the next generation is due, or until those in the line may
-- try Fal again; null when none waits.
SELECT extract(epoch FROM least(
           (SELECT min(greatest(next_action_at, lease_until))
              FROM generations
             WHERE next_action_at IS NOT NULL
               AND deleted_at IS NULL),
           (SELECT CASE WHEN closed_until > now() THEN closed_until
                        WHEN steady_at > now() AND next_turn_at > now() THEN next_turn_at END
              FROM fal_gate
             WHERE EXISTS (SELECT
                             FROM attempts
                            WHERE state = 'prepared'
                              AND granted_at IS NULL
                              AND waiting_since IS NOT NULL))) - now())::float8;

-- name: postpone_generation(id, epoch, claimed_at, next_s) maybe
-- For a worker: nothing to tell yet; give the lease back and come again later. A due time newer
-- than the claim is a webhook's, and is due at once.
UPDATE generations
   SET lease_until = NULL,
       next_action_at = CASE
           WHEN next_action_at > $3 THEN now()
           ELSE least(now() + make_interval(secs => $4),
                      greatest(deadline_at, now() + interval '1 second')) END
 WHERE id = $1
   AND lease_epoch = $2
   AND next_action_at IS NOT NULL
   AND deleted_at IS NULL
RETURNING next_action_at <= now() AS is_due;

-- name: hold_generation(id, epoch, claimed_at, next_s) maybe
-- For a worker while submitting is paused: as postpone_generation, past the deadline too, which the
-- end of the pause moves.
UPDATE generations
   SET lease_until = NULL,
       next_action_at = CASE WHEN next_action_at > $3 THEN now()
                             ELSE now() + make_interval(secs => $4) END
 WHERE id = $1
   AND lease_epoch = $2
   AND next_action_at IS NOT NULL
   AND deleted_at IS NULL
RETURNING next_action_at <= now() AS is_due;

-- name: mark_generation_progress(id, epoch, claimed_at, next_s, state, progress, queue_position, fal_status, draw_step, draw_steps) maybe
-- For a worker: what Fal says of a running request. Progress never falls.
UPDATE generations
   SET lease_until = NULL,
       next_action_at = CASE
           WHEN next_action_at > $3 THEN now()
           ELSE least(now() + make_interval(secs => $4),
                      greatest(deadline_at, now() + interval '1 second')) END,
       state = CASE WHEN state = 'queued' THEN $5 ELSE state END,
       started_at = CASE WHEN $5 = 'processing' THEN coalesce(started_at, now())
                         ELSE started_at END,
       fal_progress = greatest(fal_progress, $6),
       queue_position = $7,
       fal_status = $8,
       draw_step = $9,
       draw_steps = $10,
       version = version + 1,
       updated_at = now()
 WHERE id = $1
   AND lease_epoch = $2
   AND next_action_at IS NOT NULL
   AND deleted_at IS NULL
RETURNING next_action_at <= now() AS is_due;

-- name: choose_files(id, epoch, master_key, result_image_key, thumbnail_key) exec
-- For a worker, before it stores them: whoever deletes the picture meanwhile, or after the worker
-- died, knows from the row which objects to remove.
UPDATE generations
   SET master_key = $3,
       result_image_key = $4,
       thumbnail_key = $5
 WHERE id = $1
   AND lease_epoch = $2
   AND next_action_at IS NOT NULL
   AND deleted_at IS NULL;

-- name: complete_generation(id, epoch, master_key, result_image_key, thumbnail_key, file_size_bytes, image_dimensions, transparency) maybe
-- For the worker that stored all three files.
UPDATE generations
   SET state = 'completed',
       error_code = NULL,
       fal_error = NULL,
       fal_progress = 100,
       lease_until = NULL,
       next_action_at = NULL,
       queue_position = NULL,
       master_key = $3,
       result_image_key = $4,
       thumbnail_key = $5,
       file_size_bytes = $6,
       image_dimensions = $7,
       transparency = $8,
       completed_at = now(),
       generation_time_seconds = round(extract(epoch FROM now() - coalesce(started_at, created_at))),
       version = version + 1,
       updated_at = now()
 WHERE id = $1
   AND lease_epoch = $2
   AND next_action_at IS NOT NULL
   AND deleted_at IS NULL
RETURNING false AS is_due;

-- name: count_stumble(id, epoch) value
-- For a worker that met what it did not expect: how often that happened to this generation.
UPDATE generations
   SET stumbles = stumbles + 1
 WHERE id = $1
   AND lease_epoch = $2
   AND next_action_at IS NOT NULL
   AND deleted_at IS NULL
RETURNING stumbles;

-- name: lock_generation(owner_id, id) maybe
-- For who decides about the whole of it: each write of a worker comes before or after.
SELECT state, error_code
  FROM generations
 WHERE user_id = $1
   AND id = $2
   AND deleted_at IS NULL
   FOR NO KEY UPDATE;

-- name: cancel_generation(owner_id, id) exec
-- Behind lock_generation, in the same transaction. What may be at Fal is given up, what never left
-- is over. Files that a worker may be storing at this moment are removed when its lease has ended;
-- it sees to it earlier, unless it dies.
WITH attempt AS (
    UPDATE attempts a
       SET state = CASE a.state WHEN 'prepared' THEN 'failed' ELSE 'abandoned' END,
           error_type = 'cancelled',
           resolved_at = now()
      FROM generations g
     WHERE g.user_id = $1
       AND g.id = $2
       AND a.generation_id = g.id
       AND a.state IN ('prepared', 'sent', 'unknown', 'accepted')
), purge AS (
    INSERT INTO purges (object_key, due_at)
    SELECT DISTINCT object_key, greatest(lease_until, now())
      FROM generations, unnest(ARRAY[master_key, result_image_key, thumbnail_key]) AS object_key
     WHERE user_id = $1
       AND id = $2
       AND object_key IS NOT NULL
        ON CONFLICT DO NOTHING
)
UPDATE generations
   SET state = 'failed',
       error_code = 'cancelled',
       translation = CASE translation WHEN 'pending' THEN 'failed' ELSE translation END,
       lease_until = NULL,
       next_action_at = NULL,
       queue_position = NULL,
       version = version + 1,
       updated_at = now()
 WHERE user_id = $1
   AND id = $2;

-- name: lock_wish(owner_id, id) maybe
-- What was asked for, to ask for it again; the row stays until that is done.
SELECT state, error_code, prompt, prompt_english, translation, style, aspect_ratio, input_type,
       source_upload_id, custom_colors
  FROM generations
 WHERE user_id = $1
   AND id = $2
   AND deleted_at IS NULL
   FOR KEY SHARE;

-- name: renumber_line(n) many
-- For the reconciler: who of those in the line is next, and when each of them, and what is at Fal,
-- is to be done; two seconds more or less are no news. The first n are told their number; of what
-- Fal has accepted, Fal tells it. One that somebody is writing to at this moment waits for the next
-- time. Answers those whose number changed.
WITH at_fal AS MATERIALIZED (
    SELECT count(*) AS n, coalesce(sum(seconds_left), 0) AS seconds
      FROM fal_requests
), line AS (
    SELECT generation_id,
           seconds_to_go,
           place,
           sum(held_seconds) OVER (ORDER BY place) - held_seconds AS seconds_ahead
      FROM fal_line
), told AS (
    SELECT line.generation_id,
           true AS is_numbered,
           CASE WHEN line.place <= $1 THEN line.place::int END AS number,
           line.place <= $1 AS is_near,
           CASE WHEN gate.failing_since IS NULL AND gate.paused_at IS NULL THEN now() + make_interval(secs =>
               line.seconds_to_go
               + CASE WHEN line.place + at_fal.n <= gate.places THEN 0
                      ELSE (line.seconds_ahead + at_fal.seconds) / gate.places END)
           END AS expected_at
      FROM line, at_fal, fal_gate gate
     UNION ALL
    SELECT generation_id,
           state <> 'accepted',
           NULL,
           true,
           began_at + make_interval(secs => seconds_to_go)
      FROM fal_requests
), seen AS (
    SELECT g.id,
           CASE WHEN g.state = 'queued' AND told.is_numbered THEN told.number
                ELSE g.queue_position END AS number,
           CASE WHEN told.is_near THEN told.expected_at ELSE g.expected_at END AS expected_at
      FROM generations g
      JOIN told ON told.generation_id = g.id
), changed AS (
    SELECT g.id,
           seen.number,
           seen.expected_at,
           seen.number IS DISTINCT FROM g.queue_position AS is_moved
      FROM generations g
      JOIN seen ON seen.id = g.id
     WHERE g.next_action_at IS NOT NULL
       AND g.deleted_at IS NULL
       AND (seen.number IS DISTINCT FROM g.queue_position
            OR (seen.expected_at IS NULL) <> (g.expected_at IS NULL)
            OR abs(extract(epoch FROM seen.expected_at - g.expected_at)) > 2)
     ORDER BY g.id
       FOR NO KEY UPDATE OF g SKIP LOCKED
), told_so AS (
    UPDATE generations g
       SET queue_position = changed.number,
           expected_at = changed.expected_at,
           promised_at = coalesce(g.promised_at, changed.expected_at),
           version = g.version + changed.is_moved::int,
           updated_at = now()
      FROM changed
     WHERE g.id = changed.id
    RETURNING g.id, changed.is_moved
)
SELECT id
  FROM told_so
 WHERE is_moved;

-- name: get_timing(id) maybe
-- For a worker that completed it: how long its person waited, and by how much longer than estimated
-- at first (null: nothing was).
SELECT extract(epoch FROM completed_at - created_at)::float8 AS took_s,
       extract(epoch FROM completed_at - promised_at)::float8 AS late_s
  FROM generations
 WHERE id = $1;

-- name: insert_generation(id, owner_id, prompt, style, aspect_ratio, input_type, source_upload_id, custom_colors, seed, first_step, attempt_id, deadline_s, language, known_english) json
-- Generation, first attempt and wake-up, all or nothing, and the answer for the wire. No row: the
-- style is not offered, or the account is being deleted: that and this wait for each other.
-- Without a prompt the style's own is taken, in the person's language. `known_english` is the
-- prompt's translation where it was paid for before, and then nothing is left to translate.
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
), answer AS (
    SELECT json_strip_nulls(json_build_object(
               'id', $1::uuid,
               'status', 'queued',
               'progress', 0,
               'estimatedTimeSeconds', ceil(typical_seconds),
               'jobId', $11::uuid)) AS body
      FROM style
), generation AS (
    INSERT INTO generations (id, user_id, prompt, prompt_english, style, aspect_ratio,
                             input_type, source_upload_id, custom_colors, seed, step, deadline_at,
                             translation)
    SELECT $1, $2, coalesce($3::text, style.prompt),
           CASE WHEN $3 IS NULL THEN style.prompt_english ELSE $14::text END, style.id, $5,
           $6, $7::uuid, $8::jsonb, $9, $10, now() + make_interval(secs => $12),
           CASE WHEN $10 = 'translate' THEN 'pending' WHEN $14 IS NOT NULL THEN 'done' END
      FROM style
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
-- no fault of the person's, deleted or not, and not what was deleted before anything was sent.
SELECT count(*)::int AS used,
       extract(epoch FROM min(created_at) + make_interval(secs => $2) - now())::float8
           AS seconds_to_next
  FROM (SELECT created_at
          FROM generations
         WHERE user_id = $1
           AND created_at > now() - make_interval(secs => $2)
           AND deleted_at IS NULL
           AND (state <> 'failed' OR error_code = 'content_policy')
         UNION ALL
        SELECT created_at
          FROM generations g
         WHERE user_id = $1
           AND created_at > now() - make_interval(secs => $2)
           AND deleted_at IS NOT NULL
           AND (state <> 'failed' OR error_code = 'content_policy')
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

-- name: delete_generation(owner_id, id) value
-- Gone for its owner at once; workers find nothing to do, and its objects are to be removed.
WITH gone AS (
    UPDATE generations
       SET deleted_at = now(),
           next_action_at = NULL,
           lease_until = NULL,
           version = version + 1,
           updated_at = now()
     WHERE user_id = $1
       AND id = $2
       AND deleted_at IS NULL
    RETURNING version, master_key, result_image_key, thumbnail_key
), purge AS (
    INSERT INTO purges (object_key)
    SELECT object_key
      FROM gone, unnest(ARRAY[master_key, result_image_key, thumbnail_key]) AS object_key
     WHERE object_key IS NOT NULL
        ON CONFLICT DO NOTHING
)
SELECT version
  FROM gone;

-- name: delete_generations(owner_id) exec
-- All of a person's, with their account, and their objects are to be removed. The rows are locked
-- in the order of their ids, and before their objects are named: whoever deletes or counts some
-- of them at the same time comes before or after, and none waits for the other in turn.
WITH theirs AS (
    SELECT id
      FROM generations
     WHERE user_id = $1
       AND deleted_at IS NULL
     ORDER BY id
       FOR NO KEY UPDATE
), gone AS (
    UPDATE generations g
       SET deleted_at = now(),
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

-- name: list_documents_to_announce(ids) many
-- For the hub, which checked the owner when the socket joined.
SELECT id, version, state, document::text AS document
  FROM generation_documents
 WHERE id = ANY ($1::uuid[]);

-- name: claim_generation_to_advance(id, owner, lease_s) maybe
-- For a worker: the lease of one due generation, or no row when nothing is due or it is taken.
-- The epoch grows with each claim; every later write names it, so a worker that lost its lease
-- changes nothing.
UPDATE generations g
   SET lease_owner = $2,
       lease_epoch = lease_epoch + 1,
       lease_until = now() + make_interval(secs => $3)
  FROM generation_styles s
 WHERE g.id = $1
   AND s.id = g.style
   AND g.deleted_at IS NULL
   AND g.next_action_at <= now()
   AND (g.lease_until IS NULL OR g.lease_until <= now())
RETURNING g.id, g.lease_epoch, g.user_id, g.state, g.step, g.prompt, g.prompt_english, g.seed,
          g.aspect_ratio, g.source_upload_id, g.custom_colors, g.style,
          g.fal_progress, g.fal_status, g.queue_position, g.deadline_at <= now() AS is_overdue, now() AS claimed_at,
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

-- name: list_due_generations(n) many
-- For the reconciler: what is due and in nobody's hands, the longest due first.
SELECT id
  FROM generations
 WHERE next_action_at <= now()
   AND (lease_until IS NULL OR lease_until <= now())
   AND deleted_at IS NULL
 ORDER BY next_action_at
 LIMIT $1;

-- name: get_seconds_until_due() value
-- For the reconciler: how long until the next generation is due; null when none waits.
SELECT extract(epoch FROM min(greatest(next_action_at, lease_until)) - now())::float8
  FROM generations
 WHERE next_action_at IS NOT NULL
   AND deleted_at IS NULL;

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
RETURNING version, next_action_at <= now() AS is_due;

-- name: mark_generation_progress(id, epoch, claimed_at, next_s, state, progress, queue_position, fal_status) maybe
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
       version = version + 1,
       updated_at = now()
 WHERE id = $1
   AND lease_epoch = $2
   AND next_action_at IS NOT NULL
   AND deleted_at IS NULL
RETURNING version, next_action_at <= now() AS is_due;

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
RETURNING version, false AS is_due;

-- name: count_stumble(id, epoch) value
-- For a worker that met what it did not expect: how often that happened to this generation.
UPDATE generations
   SET stumbles = stumbles + 1
 WHERE id = $1
   AND lease_epoch = $2
   AND next_action_at IS NOT NULL
   AND deleted_at IS NULL
RETURNING stumbles;

-- name: insert_purges(object_keys, after_s) exec
-- Objects whose rows may never come, or never came: the worker removes them, then. One that is
-- being removed at this moment is removed once more.
INSERT INTO purges (object_key, due_at)
SELECT DISTINCT object_key, now() + make_interval(secs => $2)
  FROM unnest($1::text[]) AS object_key
    ON CONFLICT (object_key) DO UPDATE
   SET due_at = excluded.due_at;

-- name: insert_purges_of_uploads(owner_id) exec
-- All the source pictures of a person who leaves; the rows go with the account.
INSERT INTO purges (object_key)
SELECT unnest(ARRAY[object_key, thumbnail_key])
  FROM uploads
 WHERE user_id = $1
    ON CONFLICT DO NOTHING;

-- name: insert_purges_of_deleted(generation_id) exec
-- For a worker that may have stored files of a picture which was deleted or cancelled meanwhile:
-- its row names them. While the picture is there for its owner, or in their trash, nothing happens.
INSERT INTO purges (object_key)
SELECT DISTINCT object_key
  FROM generations, unnest(ARRAY[master_key, result_image_key, thumbnail_key]) AS object_key
 WHERE id = $1
   AND (deleted_at IS NOT NULL OR error_code = 'cancelled')
   AND gone_at IS NULL
   AND object_key IS NOT NULL
    ON CONFLICT (object_key) DO UPDATE
   SET due_at = now();

-- name: insert_purges_of_gone(generation_ids) exec
-- For a worker or an action, in the transaction that took them from the trash for good.
INSERT INTO purges (object_key)
SELECT DISTINCT object_key
  FROM generations, unnest(ARRAY[master_key, result_image_key, thumbnail_key]) AS object_key
 WHERE id = ANY ($1::uuid[])
   AND deleted_at IS NOT NULL
   AND gone_at IS NULL
   AND object_key IS NOT NULL
    ON CONFLICT (object_key) DO UPDATE
   SET due_at = now();

-- name: claim_due_purges(n, lease_s) many
-- For a worker: what is due and in nobody's hands. If it dies over them, they are due again.
UPDATE purges p
   SET due_at = now() + make_interval(secs => $2)
 WHERE id = ANY (ARRAY(
           SELECT id
             FROM purges
            WHERE due_at <= now()
            ORDER BY due_at, id
            LIMIT $1
              FOR UPDATE SKIP LOCKED))
RETURNING p.id, p.object_key, p.tries, p.due_at;

-- name: delete_purges(ids, due_ats) exec
-- For a worker whose objects are gone. One that somebody made due again meanwhile stays.
DELETE FROM purges p
 USING unnest($1::bigint[], $2::timestamptz[]) AS gone (id, due_at)
 WHERE p.id = gone.id
   AND p.due_at = gone.due_at;

-- name: postpone_purges(ids, due_ats, waits_s) exec
-- For a worker that could not remove them.
UPDATE purges p
   SET tries = tries + 1,
       due_at = now() + make_interval(secs => late.wait_s)
  FROM unnest($1::bigint[], $2::timestamptz[], $3::float8[]) AS late (id, due_at, wait_s)
 WHERE p.id = late.id
   AND p.due_at = late.due_at;

-- name: delete_deleted_generations(after_s, counted_s, n) value
-- For a worker: how many rows went, at most n, of pictures deleted so long ago that nothing is
-- under way for them, and that count for nobody's quota. Their objects are named once more: a
-- worker that died while it stored them told nobody.
WITH gone AS (
    DELETE FROM generations
     WHERE id = ANY (ARRAY(
               SELECT g.id
                 FROM generations g
                WHERE g.deleted_at < now() - make_interval(secs => $1)
                  AND g.gone_at IS NULL
                  AND (g.created_at < now() - make_interval(secs => $2)
                       OR EXISTS (SELECT
                                    FROM users
                                   WHERE id = g.user_id
                                     AND deleted_at IS NOT NULL))
                LIMIT $3
                  FOR UPDATE OF g SKIP LOCKED))
    RETURNING id, master_key, result_image_key, thumbnail_key
), purge AS (
    INSERT INTO purges (object_key)
    SELECT DISTINCT object_key
      FROM gone, unnest(ARRAY[master_key, result_image_key, thumbnail_key]) AS object_key
     WHERE object_key IS NOT NULL
        ON CONFLICT DO NOTHING
)
SELECT count(*)::int
  FROM gone;

-- name: delete_translations_of_account(owner_id) exec
-- What a person's own words became in English; whoever asks for the same has it translated anew.
DELETE FROM translations
 WHERE english IN (SELECT prompt_english
                     FROM generations
                    WHERE user_id = $1
                      AND deleted_at IS NULL
                      AND translation = 'done'
                    UNION
                   SELECT prompt_english
                     FROM generations
                    WHERE user_id = $1
                      AND deleted_at IS NOT NULL
                      AND translation = 'done');

-- name: get_trash(owner_id, skip, page_size) one
-- The latest deleted first.
SELECT (SELECT count(*)::int
          FROM trash_documents
         WHERE user_id = $1) AS total,
       (SELECT coalesce(json_agg(page.document ORDER BY page.deleted_at DESC, page.id DESC), '[]')
          FROM (SELECT id, deleted_at, document
                  FROM trash_documents
                 WHERE user_id = $1
                 ORDER BY deleted_at DESC, id DESC
                 LIMIT $3
                OFFSET $2::bigint) page)::text AS generations;

-- name: restore_generation(owner_id, id) exec
-- As it was, for everybody who has heard of a version of it.
UPDATE generations
   SET deleted_at = NULL,
       gone_at = NULL,
       version = version + 1,
       updated_at = now()
 WHERE user_id = $1
   AND id = $2
   AND deleted_at IS NOT NULL
   AND gone_at > now();

-- name: delete_from_trash(owner_id, id) value
-- For good: its objects and Fal's copies are to be named in the same transaction.
UPDATE generations
   SET gone_at = NULL,
       version = version + 1,
       updated_at = now()
 WHERE user_id = $1
   AND id = $2
   AND deleted_at IS NOT NULL
   AND gone_at > now()
RETURNING id;

-- name: empty_trash(owner_id) many
-- The same for all of it, locked in the order in which every statement locks several.
UPDATE generations g
   SET gone_at = NULL,
       version = version + 1,
       updated_at = now()
  FROM (SELECT id
          FROM generations
         WHERE user_id = $1
           AND deleted_at IS NOT NULL
           AND gone_at > now()
         ORDER BY id
           FOR NO KEY UPDATE) theirs
 WHERE g.id = theirs.id
RETURNING g.id;

-- name: clear_trash(n) many
-- For a worker: the same for what has lain there long enough, the longest first, at most n; and for
-- all that a deleted account left there.
UPDATE generations
   SET gone_at = NULL,
       version = version + 1,
       updated_at = now()
 WHERE id = ANY (ARRAY(
           SELECT id
             FROM generations
            WHERE deleted_at IS NOT NULL
              AND gone_at IS NOT NULL
              AND id IN (SELECT id
                           FROM generations
                          WHERE deleted_at IS NOT NULL
                            AND gone_at <= now()
                          UNION
                         SELECT g.id
                           FROM users u
                           JOIN generations g ON g.user_id = u.id
                          WHERE u.deleted_at IS NOT NULL
                            AND g.deleted_at IS NOT NULL
                            AND g.gone_at IS NOT NULL)
            ORDER BY gone_at
            LIMIT $1
              FOR NO KEY UPDATE SKIP LOCKED))
RETURNING id;

-- name: get_deletion(object_key) maybe
-- For a reader with a signed link: a row where the picture that the object belongs to is deleted.
SELECT coalesce(gone_at > now(), false) AS is_in_trash
  FROM generations
 WHERE deleted_at IS NOT NULL
   AND (master_key = $1 OR result_image_key = $1 OR thumbnail_key = $1)
 LIMIT 1;

-- name: list_news(ids, versions) many
-- For the hub, which tells each row to its owner alone: of these, what is newer than the version it
-- knows of each. One whose row is gone is news for as long as it is asked for.
WITH news AS MATERIALIZED (
    SELECT asked.id,
           g.user_id,
           coalesce(g.version, asked.version + 1) AS version,
           g.state,
           g.id IS NULL OR g.deleted_at IS NOT NULL AS is_deleted
      FROM unnest($1::uuid[], $2::bigint[]) AS asked (id, version)
      LEFT JOIN generations g ON g.id = asked.id
     WHERE g.id IS NULL
        OR g.version > asked.version
)
SELECT news.id, news.user_id, news.version, news.state, news.is_deleted,
       d.document::text AS document
  FROM news
  LEFT JOIN generation_documents d ON d.id = news.id;

-- name: get_moment() value
-- Where the clock stands, in microseconds since 1970: what was written before is seen from then on.
SELECT (extract(epoch FROM now()) * 1000000)::bigint;

-- name: list_changed_ids(owner_ids, since) many
-- For the hub, of those whose owners follow all that is theirs: what changed since then, or may
-- have, deleted ones too. A statement takes its time from its beginning to its commit, hence the
-- 30 s before.
WITH asked AS (
    SELECT timestamptz 'epoch' + interval '1 microsecond' * $2::bigint - interval '30 seconds'
           AS since
)
SELECT id, user_id, version
  FROM generations
 WHERE user_id = ANY ($1::uuid[])
   AND updated_at > (SELECT since FROM asked)
 UNION ALL
SELECT id, user_id, version
  FROM deleted_generations
 WHERE user_id = ANY ($1::uuid[])
   AND deleted_at > (SELECT since FROM asked);

-- name: get_mine(owner_id, recent, n) one
-- For who has seen nothing yet: all that is not finished, at most n, and what changed last.
WITH unfinished AS (
    SELECT id, updated_at
      FROM generations
     WHERE user_id = $1
       AND deleted_at IS NULL
       AND state IN ('queued', 'processing', 'finalizing')
     ORDER BY updated_at DESC, id
     LIMIT $3
), recent AS (
    SELECT id, updated_at
      FROM generations
     WHERE user_id = $1
       AND deleted_at IS NULL
     ORDER BY updated_at DESC, id
     LIMIT $2
), shown AS (
    SELECT id, updated_at
      FROM unfinished
     UNION
    SELECT id, updated_at
      FROM recent
)
SELECT (SELECT coalesce(json_agg(d.document ORDER BY shown.updated_at DESC, shown.id), '[]')
          FROM shown
          JOIN generation_documents d ON d.id = shown.id)::text AS generations,
       ARRAY[]::uuid[] AS deleted,
       ARRAY[]::bigint[] AS deleted_versions,
       EXISTS (SELECT
                 FROM generations
                WHERE user_id = $1
                  AND deleted_at IS NULL
                  AND id NOT IN (SELECT id FROM shown)) AS has_more,
       (extract(epoch FROM now()) * 1000000)::bigint AS cursor;

-- name: get_mine_since(owner_id, since, n) one
-- For who comes back: what changed since then, or may have, and what is deleted; the newest change
-- first and at most n of each. There is more than that after a day, too: deletions are forgotten
-- then. A moment that is yet to come is of another clock. `since` is asked for by itself each time,
-- which makes it a bound of the index; joined, it would be compared with all that a person has.
WITH asked AS (
    SELECT timestamptz 'epoch' + interval '1 microsecond' * $2::bigint AS at,
           timestamptz 'epoch' + interval '1 microsecond' * $2::bigint - interval '30 seconds'
               AS since
), changed AS (
    SELECT id, updated_at, row_number() OVER (ORDER BY updated_at DESC, id) AS n
      FROM generations
     WHERE user_id = $1
       AND deleted_at IS NULL
       AND updated_at > (SELECT since FROM asked)
     ORDER BY updated_at DESC, id
     LIMIT $3::bigint + 1
), gone AS (
    SELECT id, version, changed_at, row_number() OVER (ORDER BY changed_at DESC, id) AS n
      FROM (SELECT id, version, updated_at AS changed_at
              FROM generations
             WHERE user_id = $1
               AND deleted_at IS NOT NULL
               AND updated_at > (SELECT since FROM asked)
             UNION ALL
            SELECT id, version, deleted_at
              FROM deleted_generations
             WHERE user_id = $1
               AND deleted_at > (SELECT since FROM asked)) both_kinds
     ORDER BY changed_at DESC, id
     LIMIT $3::bigint + 1
)
SELECT (SELECT coalesce(json_agg(d.document ORDER BY changed.n), '[]')
          FROM changed
          JOIN generation_documents d ON d.id = changed.id
         WHERE changed.n <= $3)::text AS generations,
       ARRAY(SELECT id FROM gone WHERE n <= $3 ORDER BY n) AS deleted,
       ARRAY(SELECT version FROM gone WHERE n <= $3 ORDER BY n) AS deleted_versions,
       EXISTS (SELECT FROM changed WHERE n > $3)
           OR EXISTS (SELECT FROM gone WHERE n > $3)
           OR asked.at NOT BETWEEN now() - interval '1 day' AND now() AS has_more,
       (extract(epoch FROM now()) * 1000000)::bigint AS cursor
  FROM asked;

-- name: delete_old_deletions(n) exec
-- For a worker: at most n, of more than a day ago.
DELETE FROM deleted_generations
 WHERE id = ANY (ARRAY(
           SELECT id
             FROM deleted_generations
            WHERE deleted_at < now() - interval '1 day'
            LIMIT $1));

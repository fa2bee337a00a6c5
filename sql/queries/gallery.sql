-- name: list_newest_documents(token_hash, session_id, before_at, before_id, skip, page_size) maybe
-- For the person of the session, who is asked for in the same statement; no row when it has ended.
-- Always below a position, at first one above all: a condition that may be absent would cost the
-- index in a generic plan.
WITH viewer AS MATERIALIZED (
    SELECT id, session_id, language, is_language_chosen
      FROM live_viewer($1, $2)
), page AS (
    SELECT id, created_at
      FROM generations
     WHERE user_id = (SELECT id FROM viewer)
       AND deleted_at IS NULL
       AND (created_at, id) < ($3::timestamptz, $4::uuid)
     ORDER BY created_at DESC, id DESC
     LIMIT $6::int + 1
    OFFSET $5::bigint
), placed AS (
    SELECT id, created_at, row_number() OVER (ORDER BY created_at DESC, id DESC) AS place
      FROM page
)
SELECT viewer.id AS user_id,
       viewer.session_id,
       viewer.language,
       viewer.is_language_chosen,
       (SELECT count(*)
          FROM generations
         WHERE user_id = (SELECT id FROM viewer)
           AND deleted_at IS NULL) AS total,
       shown.generations,
       0::real AS next_weight,
       shown.next_at,
       shown.next_id
  FROM viewer
 CROSS JOIN (SELECT coalesce(json_agg(document ORDER BY place)
                                FILTER (WHERE place <= $6), '[]')::text AS generations,
                    CASE WHEN count(*) > $6 THEN
                        min(placed.created_at) FILTER (WHERE place = $6) END AS next_at,
                    CASE WHEN count(*) > $6 THEN
                        (min(placed.id::text) FILTER (WHERE place = $6))::uuid END AS next_id
               FROM placed
               JOIN generation_documents USING (id)) shown;

-- name: find_documents(token_hash, session_id, search, style, states, liked, from_at, to_at, sort, after_weight, after_at, after_id, skip, page_size) maybe
-- The same for whatever else can be asked; a null filter is no filter. What matches is read once,
-- for the total and for the page: it is never more than one person's gallery. Words are looked up
-- in the index of words, which is everybody's and knows a common word a thousand times, only for
-- who has more than a thousand pictures; else the pictures themselves are read. The function is
-- the operator @@ by another name, for which no index is taken.
-- plan: each time
WITH viewer AS MATERIALIZED (
    SELECT id, session_id, language, is_language_chosen
      FROM live_viewer($1, $2)
), gallery AS (
    SELECT count(*) > 1000 AS is_large
      FROM (SELECT
              FROM generations
             WHERE user_id = (SELECT id FROM viewer)
               AND deleted_at IS NULL
             LIMIT 1001) counted
), found AS (
    SELECT id, created_at, prompt_search, style, state, is_liked
      FROM generations
     WHERE user_id = (SELECT id FROM viewer)
       AND deleted_at IS NULL
       AND ($3::text IS NULL
            OR (NOT (SELECT is_large FROM gallery)
                AND ts_match_vq(prompt_search, search_query($3))))
     UNION ALL
    SELECT id, created_at, prompt_search, style, state, is_liked
      FROM generations
     WHERE $3 IS NOT NULL
       AND (SELECT is_large FROM gallery)
       AND user_id = (SELECT id FROM viewer)
       AND deleted_at IS NULL
       AND prompt_search @@ search_query($3)
), matching AS MATERIALIZED (
    SELECT id,
           created_at,
           CASE $9::text
               WHEN 'most-liked' THEN is_liked::int
               WHEN 'relevance' THEN ts_rank_cd(prompt_search, search_query($3), 1)
               ELSE 0
           END::real AS weight
      FROM found
     WHERE ($4::text IS NULL OR style = $4)
       AND ($5::text[] IS NULL OR state = ANY ($5))
       AND ($6::boolean IS NULL OR is_liked = $6)
       AND ($7::timestamptz IS NULL OR created_at >= $7)
       AND ($8::timestamptz IS NULL OR created_at < $8)
), page AS (
    SELECT id, created_at, weight
      FROM matching
     WHERE CASE $9
               WHEN 'oldest' THEN (created_at, id) > ($11::timestamptz, $12::uuid)
               ELSE (weight, created_at, id) < ($10::real, $11, $12)
           END
     ORDER BY weight DESC,
              CASE $9 WHEN 'oldest' THEN created_at END,
              CASE $9 WHEN 'oldest' THEN id END,
              created_at DESC,
              id DESC
     LIMIT $14::int + 1
    OFFSET $13::bigint
), placed AS (
    SELECT id, created_at, weight, row_number() OVER () AS place
      FROM page
)
SELECT viewer.id AS user_id,
       viewer.session_id,
       viewer.language,
       viewer.is_language_chosen,
       (SELECT count(*) FROM matching) AS total,
       shown.generations,
       shown.next_weight,
       shown.next_at,
       shown.next_id
  FROM viewer
 CROSS JOIN (SELECT coalesce(json_agg(document ORDER BY place)
                                FILTER (WHERE place <= $14), '[]')::text AS generations,
                    min(weight) FILTER (WHERE place = $14) AS next_weight,
                    CASE WHEN count(*) > $14 THEN
                        min(placed.created_at) FILTER (WHERE place = $14) END AS next_at,
                    CASE WHEN count(*) > $14 THEN
                        (min(placed.id::text) FILTER (WHERE place = $14))::uuid END AS next_id
               FROM placed
               JOIN generation_documents USING (id)) shown;

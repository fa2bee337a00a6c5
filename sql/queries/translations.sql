-- name: use_translation(prompt_hash, model) value
-- What this model answered to these words before; null when they are new. A use is written down
-- once a day, so that people who ask for the same do not wait for each other.
WITH used AS (
    UPDATE translations
       SET last_used_at = now()
     WHERE prompt_hash = $1
       AND model = $2
       AND last_used_at < now() - interval '1 day'
)
SELECT english
  FROM translations
 WHERE prompt_hash = $1
   AND model = $2;

-- name: keep_translation(prompt_hash, model, english) exec
-- For a worker, in the transaction that resolved the attempt. Of two that were under way at
-- once, the later stays.
INSERT INTO translations (prompt_hash, model, english)
VALUES ($1, $2, $3)
    ON CONFLICT (prompt_hash, model) DO UPDATE
       SET english = excluded.english,
           last_used_at = excluded.last_used_at;

-- name: delete_unused_translations() exec
DELETE FROM translations
 WHERE last_used_at < now() - interval '30 days';

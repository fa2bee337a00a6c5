-- The whole contract: sessions that slide and end, languages that were chosen, account deletion,
-- and what the wire's document gained.
-- migrate:up

ALTER TABLE users
    ADD COLUMN is_name_chosen boolean NOT NULL DEFAULT false,
    ADD COLUMN is_language_chosen boolean NOT NULL DEFAULT false,
    ADD COLUMN deleted_at timestamptz;
COMMENT ON COLUMN users.is_language_chosen IS
    'Chosen in the profile: it then comes before a request''s Accept-Language.';
COMMENT ON COLUMN users.deleted_at IS
    'Nothing personal is left in the row; it goes when its last object is gone.';
CREATE INDEX users_deleted ON users (deleted_at) WHERE deleted_at IS NOT NULL;

ALTER TABLE user_sessions
    ADD COLUMN ends_at timestamptz,
    ADD COLUMN last_seen_at timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN user_agent text;
UPDATE user_sessions SET ends_at = expires_at;
-- The default is for the previous release, which goes on signing people in meanwhile and names only
-- when a session expires; a later one may drop it.
ALTER TABLE user_sessions
    ALTER COLUMN ends_at SET DEFAULT now() + interval '31 days',
    ALTER COLUMN ends_at SET NOT NULL,
    ADD CONSTRAINT user_sessions_slide_to_their_end CHECK (expires_at <= ends_at);
COMMENT ON COLUMN user_sessions.expires_at IS 'Moves on while the session is used, up to ends_at.';

-- Whoever a request says it comes from, by cookie (the hash of its token) or by bearer token (which
-- names the session): one row while the session lives and its person may use Madar. The planner
-- takes it into the query that calls it, so asking who and reading what is one question.
CREATE FUNCTION live_viewer(token_hash bytea, session_id uuid)
RETURNS TABLE (session_id uuid, expires_at timestamptz, ends_at timestamptz, id uuid,
               email varchar, display_name varchar, avatar_url text, language varchar,
               is_language_chosen boolean)
LANGUAGE sql STABLE PARALLEL SAFE
AS $$
    SELECT s.id, s.expires_at, s.ends_at, u.id, u.email, u.display_name, u.avatar_url, u.language,
           u.is_language_chosen
      FROM user_sessions s
      JOIN users u ON u.id = s.user_id
     WHERE s.session_token = $1
       AND s.expires_at > now()
       AND u.is_active
    UNION ALL
    SELECT s.id, s.expires_at, s.ends_at, u.id, u.email, u.display_name, u.avatar_url, u.language,
           u.is_language_chosen
      FROM user_sessions s
      JOIN users u ON u.id = s.user_id
     WHERE s.id = $2
       AND s.expires_at > now()
       AND u.is_active
$$;

ALTER TABLE generations
    ADD COLUMN translation text,
    ADD CONSTRAINT generations_translation_known
        CHECK (translation IN ('pending', 'done', 'failed'));
COMMENT ON COLUMN generations.translation IS
    'Whether the person''s words reached Fal in English; null where they already were.';

CREATE INDEX generations_deleted ON generations (user_id, created_at)
    WHERE deleted_at IS NOT NULL;

CREATE INDEX uploads_by_age ON uploads (created_at);
DELETE FROM purges p
 USING purges earlier
 WHERE p.object_key = earlier.object_key
   AND p.id > earlier.id;
ALTER TABLE purges ADD CONSTRAINT purges_object_key_key UNIQUE (object_key);

CREATE TABLE account_deletions (
    id          uuid        NOT NULL DEFAULT gen_random_uuid(),
    generations integer     NOT NULL,
    uploads     integer     NOT NULL,
    asked_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT account_deletions_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE account_deletions IS 'Proof that an account was deleted; it says nothing of whose.';

-- A generation as the wire shows it: the one place where internal states become public words.
-- File fields hold storage keys and `error` holds a code; the edge turns them into links and
-- sentences (madar/api/documents.py).
CREATE OR REPLACE VIEW generation_documents AS
SELECT g.id,
       g.user_id,
       g.created_at,
       g.version,
       g.state,
       json_strip_nulls(row_to_json(document)) AS document
  FROM generations g
  JOIN generation_styles s ON s.id = g.style
 CROSS JOIN LATERAL (
    SELECT g.id AS "id",
           CASE g.state
               WHEN 'finalizing' THEN 'processing'
               ELSE g.state
           END AS "status",
           g.fal_progress AS "progress",
           CASE
               WHEN g.state IN ('completed', 'failed') THEN NULL
               WHEN g.state = 'queued' THEN 'queued'
               WHEN g.step = 'draw' THEN 'generating'
               WHEN g.step = 'translate' THEN 'processing'
               ELSE 'finalizing'
           END AS "stage",
           CASE WHEN g.state = 'queued' THEN g.queue_position END AS "queuePosition",
           CASE
               WHEN g.state IN ('completed', 'failed') THEN NULL
               ELSE ceil(nullif(greatest(
                   s.typical_seconds - extract(epoch FROM now() - g.created_at)::real, 0), 0))
           END AS "estimatedTimeSeconds",
           g.version AS "version",
           g.prompt AS "prompt",
           CASE WHEN g.translation = 'done' THEN g.prompt_english END AS "promptEnglish",
           g.translation AS "translation",
           g.style AS "style",
           g.aspect_ratio AS "aspectRatio",
           g.input_type AS "inputType",
           g.source_upload_id AS "sourceUploadId",
           CASE WHEN g.source_upload_id IS NOT NULL THEN (
               SELECT object_key FROM uploads WHERE id = g.source_upload_id)
           END AS "sourceImageUrl",
           g.custom_colors AS "customColors",
           g.seed::text AS "seed",
           g.is_liked AS "isLiked",
           CASE WHEN g.state = 'completed' THEN (
               SELECT row_to_json(result) FROM (
                   SELECT g.result_image_key AS "imageUrl",
                          g.thumbnail_key AS "thumbnailUrl",
                          g.master_key AS "downloadUrl",
                          g.master_key AS "masterUrl",
                          g.image_dimensions AS "dimensions",
                          g.file_size_bytes AS "fileSize",
                          g.transparency AS "transparency") result)
           END AS "result",
           g.error_code AS "error",
           g.error_code AS "errorCode",
           -- Whether asking again for the same makes sense; the words stand in madar/codes.py.
           CASE WHEN g.state = 'failed'
                THEN g.error_code NOT IN ('content_policy', 'invalid_request') END AS "retryable",
           g.created_at AS "createdAt",
           g.completed_at AS "completedAt"
 ) document
 WHERE g.deleted_at IS NULL;

-- migrate:down

-- The pipeline: turns at Fal, cancelling and asking again, successes that come late, the trash, and
-- what Fal still holds of a picture that is gone.
-- migrate:up

ALTER TABLE generations
    ADD COLUMN parent_id   uuid,
    ADD COLUMN crashes     integer NOT NULL DEFAULT 0,
    ADD COLUMN gone_at     timestamptz,
    ADD COLUMN promised_at timestamptz,
    ADD COLUMN expected_at timestamptz,
    ADD CONSTRAINT generations_parent_fkey
        FOREIGN KEY (parent_id) REFERENCES generations (id) ON DELETE SET NULL NOT VALID;
ALTER TABLE generations VALIDATE CONSTRAINT generations_parent_fkey;
COMMENT ON COLUMN generations.parent_id IS 'The failed one that was asked for again with this one.';
COMMENT ON COLUMN generations.crashes IS
    'How many workers in a row lost its lease without a word; their last one may have died of it.';
COMMENT ON COLUMN generations.gone_at IS
    'When a deleted one goes for good; until then it lies in the trash. Null: it went at once.';
COMMENT ON COLUMN generations.promised_at IS
    'When it was to be done by the first estimate; what came of it is the error of our estimates.';
COMMENT ON COLUMN generations.expected_at IS 'When it is to be done by the newest estimate.';
CREATE INDEX generations_by_parent ON generations (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX generations_in_trash ON generations (user_id, deleted_at DESC, id DESC)
    WHERE deleted_at IS NOT NULL AND gone_at IS NOT NULL;
CREATE INDEX generations_leaving_trash ON generations (gone_at)
    WHERE deleted_at IS NOT NULL AND gone_at IS NOT NULL;

-- A picture that failed for a reason of ours stays failed for its reader while a success of Fal's
-- that came late is fetched: `reviving`.
ALTER TABLE generations
    DROP CONSTRAINT generations_state_known,
    DROP CONSTRAINT generations_failed_has_code,
    ADD CONSTRAINT generations_state_known CHECK (
        state IN ('queued', 'processing', 'finalizing', 'reviving', 'completed', 'failed'))
        NOT VALID,
    ADD CONSTRAINT generations_failed_has_code CHECK (
        (state IN ('reviving', 'failed')) = (error_code IS NOT NULL)) NOT VALID;
ALTER TABLE generations
    VALIDATE CONSTRAINT generations_state_known,
    VALIDATE CONSTRAINT generations_failed_has_code;

ALTER TABLE attempts
    ADD COLUMN waiting_since timestamptz,
    ADD COLUMN granted_at    timestamptz;
COMMENT ON COLUMN attempts.waiting_since IS 'In the line for a turn at Fal since then.';
COMMENT ON COLUMN attempts.granted_at IS 'Its turn: it holds one of Fal''s places from then on.';
COMMENT ON COLUMN attempts.state IS
    'failed: Fal said so, or it never left. abandoned: we stopped waiting; a success may still come.';
CREATE INDEX attempts_in_line ON attempts (waiting_since)
    WHERE state = 'prepared' AND granted_at IS NULL AND waiting_since IS NOT NULL;
CREATE INDEX attempts_at_fal ON attempts (sent_at)
    WHERE state IN ('sent', 'unknown', 'accepted')
       OR (state = 'prepared' AND granted_at IS NOT NULL);

CREATE TABLE fal_gate (
    is_only       boolean     NOT NULL DEFAULT true,
    failing_since timestamptz,
    closed_until  timestamptz,
    reason        text,
    steady_at     timestamptz,
    next_turn_at  timestamptz,
    places        integer     NOT NULL DEFAULT 2,
    CONSTRAINT fal_gate_pkey PRIMARY KEY (is_only),
    CONSTRAINT fal_gate_single CHECK (is_only),
    CONSTRAINT fal_gate_failing_has_reason CHECK ((failing_since IS NULL) = (reason IS NULL)),
    CONSTRAINT fal_gate_reason_known
        CHECK (reason IN ('key_refused', 'rate_limited', 'unreachable'))
);
COMMENT ON TABLE fal_gate IS 'One row: whether anything may be submitted to Fal just now.';
COMMENT ON COLUMN fal_gate.closed_until IS 'Nothing is submitted before; then one that tries it.';
COMMENT ON COLUMN fal_gate.steady_at IS 'After an outage turns are given slowly until then.';
COMMENT ON COLUMN fal_gate.next_turn_at IS 'When the next turn may be given while it is slow.';
COMMENT ON COLUMN fal_gate.places IS 'FAL_CONCURRENCY, as a worker saw it last: for estimates.';
INSERT INTO fal_gate DEFAULT VALUES;

CREATE TABLE fal_purges (
    attempt_id uuid        NOT NULL,
    endpoint   text        NOT NULL,
    request_id text,
    arguments  jsonb,
    sent_at    timestamptz NOT NULL,
    is_cancelled  boolean  NOT NULL DEFAULT false,
    keeps_payload boolean  NOT NULL DEFAULT false,
    tries      integer     NOT NULL DEFAULT 0,
    due_at     timestamptz NOT NULL DEFAULT now(),
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT fal_purges_pkey PRIMARY KEY (attempt_id)
);
COMMENT ON TABLE fal_purges IS
    'Requests to cancel at Fal, with their copies to remove there; a row goes when it is done.';
COMMENT ON COLUMN fal_purges.request_id IS
    'Null while it is unknown whether Fal ever had the request: then it is looked up.';
COMMENT ON COLUMN fal_purges.arguments IS 'For looking it up, only while there is no request id.';
COMMENT ON COLUMN fal_purges.keeps_payload IS 'Only to be cancelled: its person may still see it.';
CREATE INDEX fal_purges_due ON fal_purges (due_at);

CREATE TABLE counters (
    name  text   NOT NULL,
    value bigint NOT NULL DEFAULT 0,
    CONSTRAINT counters_pkey PRIMARY KEY (name)
);
COMMENT ON TABLE counters IS
    'What must not be forgotten when a process ends, counted in the transaction in which it happens.';

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
               WHEN 'reviving' THEN 'failed'
               ELSE g.state
           END AS "status",
           g.fal_progress AS "progress",
           CASE
               WHEN g.state IN ('completed', 'failed', 'reviving') THEN NULL
               WHEN g.state = 'queued' THEN 'queued'
               WHEN g.step = 'draw' THEN 'generating'
               WHEN g.step = 'translate' THEN 'processing'
               ELSE 'finalizing'
           END AS "stage",
           CASE WHEN g.state = 'queued' THEN g.queue_position END AS "queuePosition",
           CASE
               WHEN g.state IN ('completed', 'failed', 'reviving') THEN NULL
               ELSE ceil(nullif(greatest(extract(epoch FROM g.expected_at - now()), 0), 0))
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
           g.parent_id AS "parentId",
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
           CASE WHEN g.error_code IS NOT NULL
                THEN g.state = 'failed'
                     AND g.error_code NOT IN ('content_policy', 'invalid_request')
           END AS "retryable",
           g.created_at AS "createdAt",
           g.completed_at AS "completedAt"
 ) document
 WHERE g.deleted_at IS NULL;

-- migrate:down

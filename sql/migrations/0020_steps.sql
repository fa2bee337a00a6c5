-- How many of its steps a drawing has behind it, in Fal's own count; a percentage cannot say it.
-- migrate:up

ALTER TABLE generations
    ADD COLUMN draw_step  integer,
    ADD COLUMN draw_steps integer,
    ADD CONSTRAINT generations_draw_steps_together CHECK (
        (draw_step IS NULL) = (draw_steps IS NULL)),
    ADD CONSTRAINT generations_draw_step_range CHECK (draw_step BETWEEN 0 AND draw_steps);
COMMENT ON COLUMN generations.draw_step IS
    'Of draw_steps, as Fal last told of a running drawing; NULL: it has not told.';

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
           CASE WHEN g.state = 'processing' AND g.step = 'draw' AND g.draw_steps IS NOT NULL THEN
               json_build_object('done', g.draw_step, 'total', g.draw_steps)
           END AS "steps",
           CASE WHEN g.state = 'queued' THEN g.queue_position END AS "queuePosition",
           CASE
               WHEN g.state IN ('completed', 'failed', 'reviving') THEN NULL
               ELSE ceil(nullif(greatest(extract(epoch FROM g.expected_at - now()), 0), 0))
           END AS "estimatedTimeSeconds",
           -- While submitting is paused, of what waits for its turn: in both languages here, in the
           -- reader's on the wire.
           CASE WHEN g.state IN ('queued', 'processing') THEN (
               SELECT json_build_object('en', gate.pause_reason, 'ar', gate.pause_reason_ar)
                 FROM fal_gate gate
                WHERE gate.paused_at IS NOT NULL
                  AND EXISTS (SELECT
                                FROM attempts
                               WHERE generation_id = g.id
                                 AND state = 'prepared'))
           END AS "pauseReason",
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

-- What lies in the trash, as its owner sees it there, and a quick way to tell that a file is deleted.
-- migrate:up

CREATE INDEX generations_deleted_by_thumbnail ON generations (thumbnail_key)
    WHERE deleted_at IS NOT NULL;

-- The fields of generation_documents, where a completed one has them. Its thumbnail has another
-- name here than in the gallery: links that were given away before the deletion stay dead.
CREATE VIEW trash_documents AS
SELECT g.id,
       g.user_id,
       g.deleted_at,
       json_strip_nulls(row_to_json(document)) AS document
  FROM generations g
 CROSS JOIN LATERAL (
    SELECT g.id AS "id",
           g.state AS "status",
           g.fal_progress AS "progress",
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
           (SELECT row_to_json(result) FROM (
               SELECT 'trash/' || g.thumbnail_key AS "thumbnailUrl",
                      g.image_dimensions AS "dimensions",
                      g.file_size_bytes AS "fileSize",
                      g.transparency AS "transparency") result) AS "result",
           g.created_at AS "createdAt",
           g.completed_at AS "completedAt",
           g.deleted_at AS "deletedAt",
           g.gone_at AS "goneAt"
 ) document
 WHERE g.deleted_at IS NOT NULL
   AND g.gone_at > now();

-- migrate:down

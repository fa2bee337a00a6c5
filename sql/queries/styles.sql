-- name: list_style_documents(language, base_url) json
-- What may be chosen, in the reader's language.
SELECT json_build_object('styles', coalesce(json_agg(style), '[]'))
  FROM (SELECT id,
               CASE $1::text WHEN 'ar' THEN title_ar ELSE title END AS title,
               CASE $1 WHEN 'ar' THEN description_ar ELSE description END AS description,
               CASE WHEN starts_with(preview_image_url, '/')
                    THEN $2::text || preview_image_url
                    ELSE preview_image_url END AS "previewImageUrl",
               CASE $1 WHEN 'ar' THEN default_prompt_ar ELSE default_prompt END AS "defaultPrompt",
               is_active AS "isActive"
          FROM generation_styles
         WHERE is_active
         ORDER BY sort_order, id) style;

-- name: list_styles() many
-- For the operator: all of them, with everything there is to edit.
SELECT id, title, title_ar, description, description_ar, preview_image_url, default_prompt,
       default_prompt_ar, fal_model_params, is_active, sort_order, typical_seconds
  FROM generation_styles
 ORDER BY sort_order, id;

-- name: get_style(id) maybe
SELECT id, title, title_ar, description, description_ar, preview_image_url, default_prompt,
       default_prompt_ar, fal_model_params, is_active, sort_order, typical_seconds
  FROM generation_styles
 WHERE id = $1;

-- name: update_style(id, title, title_ar, description, description_ar, default_prompt, default_prompt_ar, fal_model_params, is_active) maybe
-- For the operator; null leaves a column as it is.
UPDATE generation_styles
   SET title = coalesce($2::text, title),
       title_ar = coalesce($3::text, title_ar),
       description = coalesce($4::text, description),
       description_ar = coalesce($5::text, description_ar),
       default_prompt = coalesce($6::text, default_prompt),
       default_prompt_ar = coalesce($7::text, default_prompt_ar),
       fal_model_params = coalesce($8::jsonb, fal_model_params),
       is_active = coalesce($9::boolean, is_active),
       updated_at = now()
 WHERE id = $1
RETURNING id, title, title_ar, description, description_ar, preview_image_url, default_prompt,
          default_prompt_ar, fal_model_params, is_active, sort_order, typical_seconds;

-- name: update_typical_seconds(style) exec
-- For a worker that completed a picture: medians of the last 20, from three on. What was waited for
-- turns in the line is no part of the making.
WITH last AS (
    SELECT id, extract(epoch FROM completed_at - created_at)::float8 AS seconds
      FROM generations
     WHERE style = $1
       AND state = 'completed'
     ORDER BY completed_at DESC
     LIMIT 20
), tried AS (
    SELECT last.id,
           a.step,
           sum(extract(epoch FROM a.granted_at - a.waiting_since))::float8 AS waited,
           sum(extract(epoch FROM a.resolved_at - coalesce(a.granted_at, a.sent_at)))::float8 AS held
      FROM last
      JOIN attempts a ON a.generation_id = last.id
     GROUP BY last.id, a.step
), made AS (
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY last.seconds - coalesce(waits.seconds, 0))
               AS median,
           count(*) AS n
      FROM last
      LEFT JOIN (SELECT id, sum(waited) AS seconds
                   FROM tried
                  GROUP BY id) waits ON waits.id = last.id
), steps AS (
    SELECT coalesce(jsonb_object_agg(step, median), '{}') AS medians
      FROM (SELECT step, percentile_cont(0.5) WITHIN GROUP (ORDER BY held) AS median
              FROM tried
             WHERE held IS NOT NULL
             GROUP BY step) each
)
UPDATE generation_styles
   SET typical_seconds = made.median,
       step_seconds = steps.medians
  FROM made, steps
 WHERE id = $1
   AND made.n >= 3;

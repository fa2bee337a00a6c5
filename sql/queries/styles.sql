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
-- For a worker that completed a picture: the median of the last 20, from three on.
UPDATE generation_styles
   SET typical_seconds = recent.median
  FROM (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS median, count(*) AS n
          FROM (SELECT extract(epoch FROM completed_at - created_at) AS seconds
                  FROM generations
                 WHERE style = $1
                   AND state = 'completed'
                 ORDER BY completed_at DESC
                 LIMIT 20) last) recent
 WHERE id = $1
   AND recent.n >= 3;

-- The five styles the product starts with. Afterwards they are data: `madar styles edit`.
-- migrate:up

INSERT INTO generation_styles
       (id, sort_order, title, title_ar, description, description_ar,
        default_prompt, default_prompt_ar, preview_image_url, fal_model_params)
SELECT id, sort_order, title, title_ar, description, description_ar,
       default_prompt, default_prompt_ar, '/previews/' || id || '.webp',
       jsonb_build_object(
           'endpoint', 'fal-ai/flux-lora',
           'image_endpoint', 'fal-ai/flux-lora/image-to-image',
           'prompt', prompt,
           'loras', '[]'::jsonb,
           'lora_scale', 0.8,
           'parameters', jsonb_build_object(
               'num_inference_steps', 28, 'guidance_scale', 3.5, 'num_images', 1,
               'enable_safety_checker', true, 'output_format', 'png'),
           'strength', 0.85,
           'cutout', jsonb_build_object(
               'endpoint', 'fal-ai/birefnet/v2',
               'parameters', jsonb_build_object(
                   'model', cutout_model, 'operating_resolution', '1024x1024',
                   'output_format', 'png', 'refine_foreground', true)))
  FROM (VALUES
    ('voxel-3d', 1, 'Voxel 3D', 'فوكسل ثلاثي الأبعاد',
     'Built from small cubes, seen from above at an angle',
     'مبني من مكعبات صغيرة ويُرى من زاوية علوية',
     'a small rocket', 'صاروخ صغير',
     'voxel art 3D icon, small cubes, isometric view, soft studio lighting, single centered subject, plain light grey background',
     'General Use (Light)'),
    ('minimal-icon', 2, 'Minimal icon', 'أيقونة بسيطة',
     'Soft rounded shapes in matte pastel clay',
     'أشكال ناعمة مستديرة من طين باستيل غير لامع',
     'a house with a tree', 'بيت وشجرة',
     'minimal 3D icon, matte clay, rounded shapes, pastel tones, broad soft lighting, single centered subject, plain light grey background',
     'General Use (Light)'),
    ('glass-morphism', 3, 'Glass', 'زجاج',
     'Translucent glass with bright edges',
     'زجاج شفاف بحواف مضيئة',
     'a heart', 'قلب',
     'glassmorphism 3D icon, translucent tinted glass, bright rim reflections, single centered subject, plain light grey background',
     'Matting'),
    ('neon-glow', 4, 'Neon', 'نيون',
     'Dark glossy body with glowing neon lines',
     'جسم داكن لامع بخطوط نيون متوهجة',
     'a planet with a ring', 'كوكب بحلقة',
     'neon 3D icon, dark glossy body, glowing neon tube outlines, single centered subject, plain black background',
     'Matting'),
    ('toy-figurine', 5, 'Toy figurine', 'مجسّم لعبة',
     'Glossy plastic, like a collectible toy',
     'بلاستيك لامع مثل لعبة للاقتناء',
     'an orange cat', 'قطة برتقالية',
     'toy figurine 3D render, glossy plastic, soft box reflections, single centered subject, plain light grey background',
     'General Use (Light)')
  ) AS seed (id, sort_order, title, title_ar, description, description_ar,
             default_prompt, default_prompt_ar, prompt, cutout_model);

-- migrate:down

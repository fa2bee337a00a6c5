-- Where a browser goes on after it signed in.
-- migrate:up

ALTER TABLE sign_ins ADD COLUMN return_to text NOT NULL DEFAULT '';
COMMENT ON COLUMN sign_ins.return_to IS 'A path of the frontend; empty for its front door.';

-- migrate:down

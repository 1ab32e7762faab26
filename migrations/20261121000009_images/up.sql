-- Images that accounts keep, and smaller copies of them. The bytes of both are files.

CREATE TABLE images (
    file_id uuid PRIMARY KEY CONSTRAINT images_file_id_fkey REFERENCES files ON DELETE CASCADE,
    -- Goes with the account; the file may stay, where the catalogue refers to it.
    owner_id uuid NOT NULL CONSTRAINT images_owner_id_fkey REFERENCES users ON DELETE CASCADE
);
-- One's own images, the oldest first: ids are ordered by time.
CREATE INDEX images_owner_id_idx ON images (owner_id, file_id);

-- A smaller copy, made when it was first asked for. It hangs on the file itself: whoever removes that has locked it,
-- and so no copy comes in between.
CREATE TABLE image_variants (
    file_id uuid CONSTRAINT image_variants_file_id_fkey REFERENCES files ON DELETE CASCADE,
    -- Pixels, as asked for.
    width integer NOT NULL CONSTRAINT image_variants_width_known CHECK (width IN (64, 128, 256, 512, 1024)),
    variant_id uuid NOT NULL CONSTRAINT image_variants_variant_id_fkey REFERENCES files,
    PRIMARY KEY (file_id, width)
);
CREATE UNIQUE INDEX image_variants_variant_id_key ON image_variants (variant_id);

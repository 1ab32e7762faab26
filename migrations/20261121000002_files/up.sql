-- Stored files. Bytes lie in the store under the id; a row exists exactly when the bytes do.

CREATE TABLE files (
    id uuid PRIMARY KEY,
    original_name text NOT NULL,
    kind text NOT NULL CONSTRAINT files_kind_known CHECK (kind IN ('image', 'video', 'audio', 'subtitle', 'other')),
    mime_type text NOT NULL,
    size bigint NOT NULL CONSTRAINT files_size_positive CHECK (size >= 0),
    -- Lower-case hexadecimal.
    sha256 text NOT NULL CONSTRAINT files_sha256_form CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    -- Kept when the account goes: the catalogue may still refer to the file.
    owner_id uuid CONSTRAINT files_owner_id_fkey REFERENCES users ON DELETE SET NULL,
    state text NOT NULL CONSTRAINT files_state_known CHECK (state IN ('uploading', 'processing', 'ready', 'failed')),
    duration_seconds double precision,
    width integer,
    height integer,
    video_codec text,
    audio_codec text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX files_owner_id_idx ON files (owner_id, id);

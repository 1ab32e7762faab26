-- Accounts whose tokens come from elsewhere, keys of programs, and accounts that are shut.

-- Who signs in elsewhere has no password here, and needs no name to sign in with.
ALTER TABLE users ALTER COLUMN password_hash DROP NOT NULL;
ALTER TABLE users DROP CONSTRAINT users_named;
ALTER TABLE users ADD CONSTRAINT users_named
    CHECK (username IS NOT NULL OR email IS NOT NULL OR password_hash IS NULL);
ALTER TABLE users ADD COLUMN disabled_at timestamptz;

CREATE TABLE identities (
    issuer text NOT NULL,
    subject text NOT NULL,
    -- Null: the account was removed.
    user_id uuid CONSTRAINT identities_user_id_fkey REFERENCES users ON DELETE SET NULL,
    -- A token that was issued before this opens nothing: those of a removed account do not bring it back.
    valid_from timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_user_id_idx ON identities (user_id);

CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT api_keys_user_id_fkey REFERENCES users ON DELETE CASCADE,
    name text NOT NULL,
    -- SHA-256 of the secret, which is random and long: a slow hash would protect nothing more.
    secret_hash bytea NOT NULL CONSTRAINT api_keys_secret_hash_key UNIQUE,
    permissions text[] NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX api_keys_user_id_idx ON api_keys (user_id, id);

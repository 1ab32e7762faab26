-- Accounts, the devices they are signed in on, and the facts there is one of for an installation.

CREATE TABLE users (
    id uuid PRIMARY KEY,
    username text,
    email text,
    first_name text NOT NULL DEFAULT '',
    middle_name text NOT NULL DEFAULT '',
    last_name text NOT NULL DEFAULT '',
    birth_date date,
    password_hash text NOT NULL,
    roles text[] NOT NULL,
    -- A token carries the epoch it was issued in; raising it ends every older token.
    epoch integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_named CHECK (username IS NOT NULL OR email IS NOT NULL),
    CONSTRAINT users_roles_known CHECK (
        roles <@ ARRAY['owner', 'editor', 'viewer', 'casting_assistant', 'casting_director', 'executive_producer']
    )
);
CREATE UNIQUE INDEX users_username_key ON users (lower(username));
CREATE UNIQUE INDEX users_email_key ON users (lower(email));
-- "Is there another owner?" is asked under lock whenever one is demoted or deleted.
CREATE INDEX users_owners_idx ON users (id) WHERE 'owner' = ANY (roles);

-- The refresh tokens that follow from one sign-in. Only `current_token` may be used, once.
CREATE TABLE token_families (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL CONSTRAINT token_families_user_id_fkey REFERENCES users ON DELETE CASCADE,
    current_token uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX token_families_user_id_idx ON token_families (user_id, created_at);

-- One row. Claiming the ownership is an UPDATE of it, so that two racing registrations cannot both win.
CREATE TABLE installation (
    id boolean PRIMARY KEY DEFAULT true CONSTRAINT installation_one_row CHECK (id),
    owner_claimed boolean NOT NULL DEFAULT false,
    maintenance boolean NOT NULL DEFAULT false,
    maintenance_message text NOT NULL DEFAULT ''
);
INSERT INTO installation DEFAULT VALUES;

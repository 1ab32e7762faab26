DROP TABLE api_keys;
DROP TABLE identities;
ALTER TABLE users DROP COLUMN disabled_at;
-- Nobody can sign in to these.
DELETE FROM users WHERE password_hash IS NULL;
ALTER TABLE users DROP CONSTRAINT users_named;
ALTER TABLE users ADD CONSTRAINT users_named CHECK (username IS NOT NULL OR email IS NOT NULL);
ALTER TABLE users ALTER COLUMN password_hash SET NOT NULL;

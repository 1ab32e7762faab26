-- Without the columns of this step a disabled account would be let in again, and one without a password would have to
-- go with its files. Neither is for a migration to do.
LOCK TABLE users IN ACCESS EXCLUSIVE MODE;
DO $$
BEGIN
    IF EXISTS (SELECT FROM users WHERE disabled_at IS NOT NULL) THEN
        RAISE EXCEPTION 'there are disabled accounts, which going back would let in again: enable or remove them first';
    END IF;
    IF EXISTS (SELECT FROM users WHERE password_hash IS NULL) THEN
        RAISE EXCEPTION 'there are accounts without a password, which the step before knows nothing of: remove them first';
    END IF;
END
$$;
DROP TABLE api_keys;
DROP TABLE identities;
ALTER TABLE users DROP COLUMN disabled_at;
ALTER TABLE users DROP CONSTRAINT users_named;
ALTER TABLE users ADD CONSTRAINT users_named CHECK (username IS NOT NULL OR email IS NOT NULL);
ALTER TABLE users ALTER COLUMN password_hash SET NOT NULL;

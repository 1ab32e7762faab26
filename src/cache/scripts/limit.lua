-- Counts an action against several limits at once: it counts for all of them, or, where one is
-- reached, for none. Windows begin with their first action; every key has a lifetime.
--
-- KEYS: the counts
-- ARGV: the window in milliseconds, then the limit of each count
-- Gives 0, or the milliseconds until the reached limits have ended.
local wait = 0
for i, key in ipairs(KEYS) do
    if (tonumber(redis.call('GET', key)) or 0) >= tonumber(ARGV[i + 1]) then
        wait = math.max(wait, redis.call('PTTL', key), 1)
    end
end
if wait == 0 then
    for _, key in ipairs(KEYS) do
        if redis.call('INCR', key) == 1 then
            redis.call('PEXPIRE', key, ARGV[1])
        end
    end
end
return wait

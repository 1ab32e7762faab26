-- Keeps the state of a viewing session, if nobody else has kept another since, and notes who views what now.
-- Any node may beat any session; of those that do at once, one is told what the other has kept.
--
-- KEYS: the session; the live sessions; the live viewers; the live viewers of each title that it counts for
-- ARGV: 1 the version that is replaced; '-' for none, '*' for any   2 the new version   3 the state
--       4 life of the state in seconds   5 the session's id   6 its viewer/id, of nobody its id   7 live | ended
--       8 seconds for which a sign of life counts
-- Gives 'kept'; 'gone' where the session was removed; else the version and state that are there.
local held = redis.call('GET', KEYS[1])
if held == 'gone' then
    return held
end
if held and ARGV[1] ~= '*' and string.sub(held, 1, 16) ~= ARGV[1] then
    return held
end
redis.call('SET', KEYS[1], ARGV[2] .. ARGV[3], 'EX', ARGV[4])
local now = redis.call('TIME')[1]
for i = 2, #KEYS do
    local member = i == 2 and ARGV[5] or ARGV[6]
    if ARGV[7] == 'live' then
        redis.call('ZADD', KEYS[i], 'GT', now, member)
    else
        redis.call('ZREM', KEYS[i], member)
    end
    redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', '(' .. (now - ARGV[8]))
    redis.call('EXPIRE', KEYS[i], ARGV[8] + 30)
end
return 'kept'

-- How many are live in a set: its members, or the viewers that they are sessions of. Viewers of few sessions are
-- counted at each call; of many, their number is kept for a second, so that many readers cost one count.
--
-- KEYS: the set; where the number of its viewers is kept
-- ARGV: 1 seconds for which a sign of life counts   2 'members' or 'viewers'
local since = '(' .. (redis.call('TIME')[1] - ARGV[1])
if ARGV[2] == 'members' then
    return redis.call('ZCOUNT', KEYS[1], since, '+inf')
end
local is_large = redis.call('ZCARD', KEYS[1]) > 500
local kept = is_large and redis.call('GET', KEYS[2])
if kept then
    return tonumber(kept)
end
local seen, count = {}, 0
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], since, '+inf')) do
    -- The id of an account, or that of a session of nobody, before whatever follows.
    local viewer = string.sub(member, 1, 36)
    if not seen[viewer] then
        seen[viewer] = true
        count = count + 1
    end
end
if is_large then
    redis.call('SET', KEYS[2], count, 'PX', 1000)
end
return count

-- Takes up what a node has counted since its start. May be sent again, and late: each count is
-- added to the totals, and to the count of requests since the last reset, once.
--
-- KEYS: the totals, the node, the nodes by their last flush
-- ARGV: 1 requests   2 bytes   3 the node's name   4 now in seconds   5 the node's lifetime in seconds
--       6 the last reset that the node has heard of, 0 for none   7 the requests that it had counted by then
--       then names and values by turns of what is kept of the node alone
-- Gives: the requests since the last reset; which reset that was; the requests that the node had counted by then;
--        the time of Redis in microseconds
local told = redis.call('HMGET', KEYS[2], 'requests', 'bytes', 'reset', 'before')
local told_requests = tonumber(told[1]) or 0

local heard = tonumber(ARGV[6])
local reset = tonumber(redis.call('HGET', KEYS[1], 'reset')) or 0
if heard > reset then
    -- Redis has lost the reset, with what it knew or without. The nodes know it.
    reset = heard
    redis.call('HSET', KEYS[1], 'reset', ARGV[6], 'since', '0')
end
local before
if (tonumber(told[3]) or 0) == reset then
    before = tonumber(told[4]) or 0
elseif heard == reset then
    before = tonumber(ARGV[7])
else
    -- The first flush after a reset: what the node had told until then belongs before it. Where Redis has lost
    -- that, at least what belonged before the last reset that the node knows.
    before = math.max(told_requests, tonumber(ARGV[7]))
end

local function add(name, more)
    if more > 0 then
        redis.call('HINCRBY', KEYS[1], name, string.format('%.0f', more))
    end
end
add('since', tonumber(ARGV[1]) - math.max(told_requests, before))
for i, name in ipairs({ 'requests', 'bytes' }) do
    local more = tonumber(ARGV[i]) - (tonumber(told[i]) or 0)
    if more > 0 then
        add(name, more)
        redis.call('HSET', KEYS[2], name, ARGV[i])
    end
end
redis.call('HSET', KEYS[2], 'reset', string.format('%.0f', reset), 'before', string.format('%.0f', before))
redis.call('HSET', KEYS[2], unpack(ARGV, 8))
redis.call('EXPIRE', KEYS[2], ARGV[5])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[3])

local time = redis.call('TIME')
return { tonumber(redis.call('HGET', KEYS[1], 'since')) or 0, reset, before, time[1] * 1000000 + time[2] }

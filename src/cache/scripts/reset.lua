-- Begins the count of requests anew, at one moment for all nodes: what is taken up afterwards counts from zero.
-- Resets are named by their time, so that of two the later is known. Gives what was counted until then; nothing
-- where this comes too late: who asked has been told that it was not done.
--
-- KEYS: the totals
-- ARGV: until when it is in time, in microseconds by the clock of Redis
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
if now > tonumber(ARGV[1]) then
    return false
end
local kept = redis.call('HMGET', KEYS[1], 'since', 'reset')
local reset = math.max(now, (tonumber(kept[2]) or 0) + 1)
redis.call('HSET', KEYS[1], 'since', '0', 'reset', string.format('%.0f', reset))
return tonumber(kept[1]) or 0

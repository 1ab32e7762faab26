-- Takes up what a node has counted since its start. May be sent again, and late: each count is
-- added to the totals once.
--
-- KEYS: the totals, the node, the nodes by their last flush
-- ARGV: requests, bytes, uptime in seconds, the node's name, now in seconds, the node's lifetime in seconds
local told = redis.call('HMGET', KEYS[2], 'requests', 'bytes')
for i, name in ipairs({ 'requests', 'bytes' }) do
    local more = tonumber(ARGV[i]) - (tonumber(told[i]) or 0)
    if more > 0 then
        redis.call('HINCRBY', KEYS[1], name, string.format('%.0f', more))
        redis.call('HSET', KEYS[2], name, ARGV[i])
    end
end
redis.call('HSET', KEYS[2], 'uptime', ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[6])
redis.call('ZADD', KEYS[3], ARGV[5], ARGV[4])
return redis.status_reply('OK')

-- Takes up what a node has counted since its start. May be sent again, and late: each count is
-- added to the totals once.
--
-- KEYS: the totals, the node, the nodes by their last flush
-- ARGV: requests, bytes, the node's name, now in seconds, the node's lifetime in seconds; then names and
--       values by turns of what is kept of the node alone
local told = redis.call('HMGET', KEYS[2], 'requests', 'bytes')
for i, name in ipairs({ 'requests', 'bytes' }) do
    local more = tonumber(ARGV[i]) - (tonumber(told[i]) or 0)
    if more > 0 then
        redis.call('HINCRBY', KEYS[1], name, string.format('%.0f', more))
        redis.call('HSET', KEYS[2], name, ARGV[i])
    end
end
redis.call('HSET', KEYS[2], unpack(ARGV, 6))
redis.call('EXPIRE', KEYS[2], ARGV[5])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[3])
return redis.status_reply('OK')

-- The titles with the most views, best first, equal ones by name. The list is made of its pieces when it
-- was not made within the last seconds; so many readers cost one sum. Scores in it are negative: that
-- order is the wanted one.
--
-- KEYS: the list, then the pieces it is made of
-- ARGV: entries that are wanted, entries that are kept, the list's lifetime in seconds
-- Gives names and negative views by turns.
local list, kept = KEYS[1], tonumber(ARGV[2])
if redis.call('EXISTS', list) == 0 then
    if #KEYS == 2 then
        -- A piece can hold every title there is: only its best are copied, and of those that are equal to the
        -- last one, the first by name.
        local best = redis.call('ZREVRANGE', KEYS[2], 0, kept - 1, 'WITHSCORES')
        local last = best[#best]
        for at = 1, #best, 2 do
            if best[at + 1] ~= last then
                redis.call('ZADD', list, '-' .. best[at + 1], best[at])
            end
        end
        if last then
            for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], last, last, 'LIMIT', 0, kept)) do
                redis.call('ZADD', list, '-' .. last, name)
            end
        end
    else
        local call = { 'ZUNIONSTORE', list, #KEYS - 1 }
        for at = 2, #KEYS do
            call[#call + 1] = KEYS[at]
        end
        call[#call + 1] = 'WEIGHTS'
        for _ = 2, #KEYS do
            call[#call + 1] = -1
        end
        redis.call(unpack(call))
    end
    redis.call('ZREMRANGEBYRANK', list, kept, -1)
    redis.call('EXPIRE', list, ARGV[3])
end
return redis.call('ZRANGE', list, 0, ARGV[1] - 1, 'WITHSCORES')

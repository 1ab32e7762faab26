-- Guards the guessing of one (address, name) pair. All of it happens at once, so that guesses made
-- in parallel, on any node, cannot outrun the count.
--
-- KEYS  1 tries: zset of try id -> when it began (ms); wrong ones and open ones
--       2 open:  zset of try id -> when it counts as abandoned (ms); a part of `tries`
--       3 block: string, there while the pair is blocked
-- ARGV  1 what: begin | wrong | right | release
--       2 try id
--       3 most tries   4 window (ms)   5 block (ms)   6 life of an open try (ms)
-- Gives {word, number}:
--       {"left", n}      the try may go on, or was counted; n wrong ones remain
--       {"blocked", ms}  for that long
--       {"wait", 0}      every place is taken by a try that is still open
-- An open try that is never settled (its node died) becomes a wrong one.

local tries, open, block = KEYS[1], KEYS[2], KEYS[3]
local what, id = ARGV[1], ARGV[2]
local most, window, block_ms, life = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

redis.call('ZREMRANGEBYSCORE', tries, '-inf', now - window)
redis.call('ZREMRANGEBYSCORE', open, '-inf', now)

local function keep()
    redis.call('PEXPIRE', tries, window + life)
    redis.call('PEXPIRE', open, life)
end

local function shut()
    redis.call('SET', block, '1', 'PX', block_ms)
    redis.call('DEL', tries, open)
end

if what == 'begin' then
    local blocked = redis.call('PTTL', block)
    if blocked > 0 then
        return {'blocked', blocked}
    end
    local count = redis.call('ZCARD', tries)
    if count >= most then
        if redis.call('ZCARD', open) > 0 then
            return {'wait', 0}
        end
        shut()
        return {'blocked', block_ms}
    end
    redis.call('ZADD', tries, now, id)
    redis.call('ZADD', open, now + life, id)
    keep()
    return {'left', most - count - 1}
end

redis.call('ZREM', open, id)
if what == 'right' then
    -- What is still open stays: whoever guesses beside a right sign-in goes on being counted.
    redis.call('ZINTERSTORE', tries, 2, tries, open, 'WEIGHTS', 1, 0)
    redis.call('DEL', block)
    keep()
    return {'left', most}
end
if what == 'release' then
    redis.call('ZREM', tries, id)
end

local wrong = redis.call('ZCARD', tries) - redis.call('ZCARD', open)
if wrong >= most then
    shut()
    return {'left', 0}
end
return {'left', most - wrong}

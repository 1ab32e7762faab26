-- One step of the follower: goes on holding the turn to read everything anew, or sets how far was read, if
-- nothing came between since this pass began. A Redis that was emptied meanwhile has neither.
--
-- KEYS: how far was read, the turn
-- ARGV: how far was read when the pass began (empty: nothing), how far it is now (empty: not done yet),
--       the token of the turn (empty: none is needed), its lifetime in milliseconds
-- Gives 1, or 0 where something came between.
if ARGV[3] ~= '' and redis.call('GET', KEYS[2]) ~= ARGV[3] then
    return 0
end
if ARGV[2] == '' then
    redis.call('PEXPIRE', KEYS[2], ARGV[4])
    return 1
end
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then
    return 0
end
redis.call('SET', KEYS[1], ARGV[2])
if ARGV[3] ~= '' then
    redis.call('DEL', KEYS[2])
end
return 1

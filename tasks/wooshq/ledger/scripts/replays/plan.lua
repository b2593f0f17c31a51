-- plan.lua: a caller plans a replay. Its letters follow, see choose.lua.
-- uses clock
-- KEYS[1]   replay:<replay>  hash
-- KEYS[2]   replays          zset
-- ARGV      replay, how long a plan is kept ms, then pairs of fields for the row
-- returns   <when it was planned, ms>
-- cost      O(log replays)
-- moves     replay → planned (plan)
-- again     same answer, changes nothing: the id is the token
-- memory    refused by a full Redis: the first write is HSET
local at = redis.call('HGET', KEYS[1], 'at')
if at then return at end
at = tostring(now_ms())
redis.call('HSET', KEYS[1], 'state', 'planned', 'at', at, 'total', 0, 'left_out', 0, 'next', 0, 'fence', 0, unpack(ARGV, 3))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], at, ARGV[1])
return at

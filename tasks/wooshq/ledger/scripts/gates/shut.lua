-- shut.lua: an operator shuts a gate manually. It stays shut until an operator opens it.
-- uses clock
-- KEYS[1]   gates  hash
-- ARGV      '<gate>|<application>', why
-- returns   <the time now, ms>
-- cost      O(1)
-- moves     none
-- again     another answer, changes only gates: it is shut since the last call
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode({why = ARGV[2], since_ms = now, until_ms = 0, wait_ms = 0, by_hand = true}))
return now

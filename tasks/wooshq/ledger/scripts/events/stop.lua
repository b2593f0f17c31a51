-- stop.lua: nobody has listened for a long time, so ends are told no more. Nothing is lost: if somebody listens again, the rows that are
-- still there are swept.
-- uses clock
-- uses full
-- KEYS[1]   telling  hash
-- KEYS[2]   events   stream
-- ARGV      for how long nobody must have listened ms
-- returns   1 (stopped) | 0 (nobody listened anyway, or somebody does)
-- cost      O(entries)
-- moves     none
-- again     another answer, changes nothing
-- memory    works in a full Redis: the first write is HDEL
local v = redis.call('HMGET', KEYS[1], 'most', 'heard_at')
if not v[1] or now_ms() - tonumber(v[2] or 0) < tonumber(ARGV[1]) then return 0 end
free_first(KEYS[1])
redis.call('HDEL', KEYS[1], 'most', 'heard_at', 'bytes', 'untold', 'untold_at', 'swept_at', 'sweeper', 'sweeps_till')
redis.call('DEL', KEYS[2])
return 1

-- set_rate.lua: a person changes a job's own ceiling, for all workers at once.
-- uses clock
-- uses history
-- KEYS[1]   job:<job>  hash
-- KEYS[2]   changes    stream
-- ARGV      job, calls/s or '' for no ceiling of its own, why, by whom
-- derived   telling
-- returns   'gone' | 'ended' (nothing was changed) | 'set'
-- cost      O(1)
-- moves     none
-- again     same answer, changes only changes and telling
-- memory    works in a full Redis: the first write is HDEL
local v = redis.call('HMGET', KEYS[1], 'state', 'ended', 'rate')
if not v[1] then return 'gone' end
if v[2] then return 'ended' end
redis.call('HDEL', KEYS[1], 'rate', 'tat', 'owed')
if ARGV[2] ~= '' then redis.call('HSET', KEYS[1], 'rate', ARGV[2]) end
note_change(KEYS[2], now_ms(), 'limit', 'rate|job ' .. ARGV[1], ARGV[3], ARGV[4], ARGV[2] == '' and 'none' or ARGV[2], v[3] or 'none')
return 'set'

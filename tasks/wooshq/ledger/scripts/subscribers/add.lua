-- add.lua: adds a webhook: from now on it is given events.
-- uses clock
-- uses history
-- KEYS[1]   subscribers              zset
-- KEYS[2]   subscriber:<subscriber>  hash
-- KEYS[3]   outward_state            hash
-- KEYS[4]   changes                  stream
-- ARGV      subscriber ('webhook/<name>'), url, types that it wants separated by blanks ('' for all), secret, why, by whom, how many there may be,
--           a tag for the ids of events, if there is none yet
-- derived   telling
-- returns   <the time when it was added, ms> | 0 (another one has this name) | 'full'
-- cost      O(log subscribers)
-- moves     none
-- again     same answer, changes nothing: the secret is known by itself
-- memory    refused by a full Redis: the first write is HSETNX
local kept = redis.call('HMGET', KEYS[2], 'secret', 'made')
if kept[1] then return kept[1] == ARGV[4] and tonumber(kept[2]) or 0 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[7]) then return 'full' end
local now = now_ms()
redis.call('HSETNX', KEYS[3], 'tag', ARGV[8])
redis.call('HSET', KEYS[2], 'state', 'active', 'url', ARGV[2], 'types', ARGV[3], 'secret', ARGV[4], 'why', ARGV[5], 'by', ARGV[6], 'made', now)
redis.call('ZADD', KEYS[1], now, ARGV[1])
note_change(KEYS[4], now, 'add', string.gsub(ARGV[1], '/', ' ', 1), ARGV[5], ARGV[6], '', '', {result = 'active'})
return now

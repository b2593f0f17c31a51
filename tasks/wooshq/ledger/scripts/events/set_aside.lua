-- set_aside.lua: the history's database refuses a record, or its row cannot be read. The row stays in the ledger, and operators see it. At most 1,000 are
-- listed: a sweep tries the others again, too.
-- uses clock
-- uses full
-- KEYS[1]   telling        hash
-- KEYS[2]   history_aside  hash
-- ARGV      '<intent, letter or job> <id>', why, without personal data
-- returns   1 (it is listed) | 0 (too many are)
-- cost      O(1)
-- moves     none
-- again     same answer, changes nothing
-- memory    works in a full Redis: the first write is HDEL
local MOST = 1000
free_first(KEYS[1])
local before = redis.call('HGET', KEYS[2], ARGV[1])
if not before and redis.call('HLEN', KEYS[2]) >= MOST then return 0 end
local since = before and string.match(before, '^%d+') or string.format('%.0f', now_ms())
redis.call('HSET', KEYS[2], ARGV[1], since .. ' ' .. ARGV[2])
redis.call('HSET', KEYS[1], 'aside', redis.call('HLEN', KEYS[2]))
return 1

-- stale.lua: which queued intents has the broker lost? Those that were overtaken, or, if the lane is empty, all that are old.
-- uses clock
-- uses full
-- KEYS[1]   queued:<lane>  zset
-- KEYS[2]   taken          hash
-- ARGV      lane, 1 if the broker's lane is empty, age from which an intent is old ms, how much later an overtaker was queued ms,
--           how many at most
-- returns   {<id> *}; they count as queued now, so that the next call does not name them again
-- cost      O(ids × log queued)
-- moves     none
-- again     another answer, changes only queued:<lane>: it names the ids that come next
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local before = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0) - tonumber(ARGV[4])
if ARGV[2] == '1' then before = math.max(before, now - tonumber(ARGV[3])) end
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', before, 'LIMIT', 0, ARGV[5])
if #ids > 0 then free_first(KEYS[2]) end
for _, id in ipairs(ids) do redis.call('ZADD', KEYS[1], now, id) end
return ids

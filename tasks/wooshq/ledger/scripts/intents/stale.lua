-- stale.lua: which queued intents has the broker lost? Those that were overtaken, or all that are old where the lane has run empty.
-- uses clock
-- KEYS[1]   queued:<lane>  zset
-- KEYS[2]   taken          hash
-- ARGV      lane, 1 if the broker's lane is empty, age that is old ms, how much later an overtaker was queued ms, how many at most
-- returns   ids; they count as queued now, so that the next look does not name them again
-- cost      O(ids × log queued)
-- moves     none
-- again     names others: an id is named once an age
local now = now_ms()
local before = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or 0) - tonumber(ARGV[4])
if ARGV[2] == '1' then before = math.max(before, now - tonumber(ARGV[3])) end
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', before, 'LIMIT', 0, ARGV[5])
for _, id in ipairs(ids) do redis.call('ZADD', KEYS[1], now, id) end
return ids

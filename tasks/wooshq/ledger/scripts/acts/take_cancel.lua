-- take_cancel.lua: a worker, or a command, takes cancellations whose time has come, and asks the API next. Nobody else takes them until the lease ends.
-- uses clock
-- uses full
-- KEYS[1]   cancels       zset
-- KEYS[2…]  intent:<id>   hash, one per id
-- ARGV      token, length of the lease ms, then ids
-- returns   {{<id>, <application>, <message code>, <requests without an answer>, <tries>, <until ms>} *}, those that were taken; an
--           application of '' says that the intent is forgotten
-- cost      O(ids × log cancels)
-- moves     none
-- again     same answer, changes nothing: the token stays in the row
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local out = {}
free_first(KEYS[2])
for i = 3, #ARGV do
  local row = KEYS[i - 1]
  local due = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if due then
    local v = redis.call('HMGET', row, 'state', 'app', 'code', 'cancel_until', 'cancel_token')
    local mine = v[5] == ARGV[1]
    if v[1] and not mine and tonumber(due) <= now then
      mine = true
      -- A request that gets no answer is not counted down again: see record.lua.
      redis.call('HINCRBY', row, 'cancel_lost', 1)
      redis.call('HINCRBY', row, 'cancel_tries', 1)
      redis.call('HSET', row, 'cancel_token', ARGV[1])
      redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[i])
    end
    if not v[1] then
      out[#out + 1] = {ARGV[i], '', '', 0, 0, 0}
    elseif mine then
      local counts = redis.call('HMGET', row, 'cancel_lost', 'cancel_tries')
      out[#out + 1] = {ARGV[i], v[2], v[3], tonumber(counts[1]) - 1, tonumber(counts[2]), tonumber(v[4])}
    end
  end
end
return out

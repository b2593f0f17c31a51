-- sweep.lua: may this consumer sweep the ledger for rows that were not told? One at a time does. It says so when it has begun, goes on and has ended.
-- uses clock
-- uses full
-- KEYS[1]   telling  hash
-- ARGV      token, 'begin' | 'go on' | 'end', ends that were not told when it began, how long after the last sweep the next one is due anyway
--           ms, after how long without a word a sweep is given up ms
-- returns   {1 (it may, it still does, or has ended), <ends that were not told>} | {0 (not now, or another one does), <ends that were not told>}
-- cost      O(1)
-- moves     none
-- again     another answer, changes only telling
-- memory    works in a full Redis: the first write is HDEL
local now = now_ms()
local v = redis.call('HMGET', KEYS[1], 'most', 'untold', 'swept_at', 'sweeper', 'sweeps_till')
local untold = tonumber(v[2] or 0)
local is_mine = v[4] == ARGV[1]
if ARGV[2] == 'begin' then
  local is_due = untold > 0 or now - tonumber(v[3] or 0) >= tonumber(ARGV[4])
  local is_free = is_mine or not v[4] or tonumber(v[5]) <= now
  if not v[1] or not is_due or not is_free then return {0, untold} end
elseif not is_mine then
  return {0, untold}
end
free_first(KEYS[1])
if ARGV[2] == 'end' then
  redis.call('HDEL', KEYS[1], 'sweeper', 'sweeps_till')
  redis.call('HSET', KEYS[1], 'swept_at', now)
  if untold == tonumber(ARGV[3]) then redis.call('HDEL', KEYS[1], 'untold', 'untold_at') end
else
  redis.call('HSET', KEYS[1], 'sweeper', ARGV[1], 'sweeps_till', now + ARGV[5])
end
return {1, untold}

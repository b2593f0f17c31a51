-- stop.lua: groups whose readers have been silent for a long time are given up: nothing waits for them any more. With the last one, ends are told
-- no more. Nothing is lost for the history: if somebody keeps one again, the rows that are still there are swept.
-- uses clock
-- uses full
-- uses events/trim
-- KEYS[1]   telling  hash
-- KEYS[2]   events   stream
-- ARGV      for how long a group must have been silent ms, then the groups that the caller reads itself: they stay
-- returns   {<group that was given up> *}
-- cost      O(entries)
-- moves     none
-- again     another answer, changes nothing
-- memory    works in a full Redis: the first write is HDEL
local mine = {}
for i = 2, #ARGV do mine[ARGV[i]] = true end
local now, given_up, stay = now_ms(), {}, 0
if not redis.call('HGET', KEYS[1], 'most') or redis.call('EXISTS', KEYS[2]) == 0 then return given_up end
for group in pairs(groups_of(KEYS[2])) do
  local heard_at = tonumber(redis.call('HGET', KEYS[1], 'heard|' .. group) or 0)
  if mine[group] or now - heard_at < tonumber(ARGV[1]) then
    stay = stay + 1
  else
    given_up[#given_up + 1] = group
  end
end
if #given_up == 0 then return given_up end
free_first(KEYS[1])
for _, group in ipairs(given_up) do
  redis.call('XGROUP', 'DESTROY', KEYS[2], group)
  redis.call('HDEL', KEYS[1], 'heard|' .. group, 'missed|' .. group, 'missed_at|' .. group, 'lead|' .. group)
  if group == 'history' then redis.call('HDEL', KEYS[1], 'acts_bytes', 'acts_kept') end
end
if stay == 0 then
  redis.call('HDEL', KEYS[1], 'most', 'bytes', 'untold', 'untold_at', 'swept_at', 'sweeper', 'sweeps_till')
  redis.call('DEL', KEYS[2])
end
return given_up

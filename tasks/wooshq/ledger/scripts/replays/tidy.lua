-- tidy.lua: a replay has ended: nobody looks at it any more, and it is kept for some time.
-- KEYS[1]   replay:<replay>  hash
-- KEYS[2]   replaying        zset
-- KEYS[3…]  replay:<replay>:letters list, and the other parts of the replay
-- ARGV      replay, how long it is kept ms
-- returns   1 (it has ended, or is gone) | 0
-- cost      O(log replays)
-- moves     none
-- again     same answer, changes nothing
-- memory    works in a full Redis: the first write is ZREM
local v = redis.call('HMGET', KEYS[1], 'state', 'ended')
if v[1] and not v[2] then return 0 end
if redis.call('ZREM', KEYS[2], ARGV[1]) == 1 then
  for i, key in ipairs(KEYS) do
    if i ~= 2 then redis.call('PEXPIRE', key, ARGV[2]) end
  end
end
return 1

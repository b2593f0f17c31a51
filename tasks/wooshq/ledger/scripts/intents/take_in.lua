-- take_in.lua: moves intents of the version before, which kept one set for each lane and held intents apart, into the queues.
-- uses clock
-- uses queue
-- uses row
-- KEYS[1]   queued:<lane> | held:<application>  zset
-- KEYS[2…]  intent:<id>                         one per intent
-- ARGV      from how many lost workers on an intent is a suspect, then one id per intent
-- derived   queue:<lane>, ring:<lane>, suspects:<lane>
-- returns   <how many were moved>
-- cost      O(intents × log queue); the caller bounds how many
-- moves     none
-- again     another answer, changes nothing: an intent that was moved is not in the old set any more
-- memory    works in a full Redis: the first write is ZREM
local now = now_ms()
local moved = 0
for i = 2, #ARGV do
  local id, row = ARGV[i], KEYS[i]
  if redis.call('ZREM', KEYS[1], id) == 1 then
    local v = fields_of(row, 'state', 'lane', 'app', 'at', 'doubts', 'lost')
    if v[1] == 'queued' or v[1] == 'held' then
      spread(row)
      redis.call('HDEL', row, 'gate', 'held_at')
      redis.call('HSET', row, 'state', 'queued', 'queued_at', now)
      enqueue(row, id, {lane = v[2], app = v[3], at = v[4], doubts = v[5], lost = v[6]}, ARGV[1], now)
      moved = moved + 1
    end
  end
end
return moved

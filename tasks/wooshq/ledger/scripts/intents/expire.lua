-- expire.lua: ends intents that still wait when their `expires_at` has come.
-- uses clock
-- uses letters
-- uses queue
-- uses gates
-- uses row
-- KEYS[1]   expiry       zset
-- KEYS[2]   due          zset
-- KEYS[3]   counts       hash
-- KEYS[4]   gates        hash
-- KEYS[5…]  intent:<id>, one per intent
-- ARGV      how long an ended intent is kept ms, how long a letter is kept ms, then one id per intent
-- derived   events, telling, causes, cause:<cause>, queue:<lane>, suspects:<lane>, letter:<letter> (of an intent that is a replay),
--           replay:<replay> (of such a letter)
-- returns   {<id> *}, those that expired
-- cost      O(intents × log ledger); the caller bounds how many
-- moves     intent queued | retrying → expired (expire); letter replaying → open (unsent); outcome begun → expired (expire)
-- again     another answer, changes nothing: an intent that expired is final
-- memory    works in a full Redis: the first write is ZREM
local now = now_ms()
local gates = gates_by_application(KEYS[4])
local expired = {}
for i = 3, #ARGV do
  local id, row = ARGV[i], KEYS[2 + i]
  local at = redis.call('ZSCORE', KEYS[1], id)
  if at and tonumber(at) <= now then
    local v = fields_of(row, 'state', 'lane', 'app')
    if v[1] == 'queued' or v[1] == 'retrying' then
      redis.call('ZREM', KEYS[2], id)
      spread(row)
      unqueue(row, id, v[2], v[3])
      local shut = (gates['*'] or gates[v[3]] or {})[1]
      finish_expired(row, id, v[1], now, ARGV[1], KEYS[1], KEYS[3], {}, shut and shut.name)
      reopen_letter(row, id, 'expired', ARGV[2])
      expired[#expired + 1] = id
    elseif v[1] ~= 'sending' then
      redis.call('ZREM', KEYS[1], id)
    end
  end
end
tell_all(now)
return expired

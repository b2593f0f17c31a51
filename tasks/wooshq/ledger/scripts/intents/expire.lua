-- expire.lua: ends intents that still wait when their `expires_at` has come.
-- uses clock
-- uses letters
-- KEYS[1]   expiry                zset
-- KEYS[2]   due                   zset
-- KEYS[3]   counts                hash
-- KEYS[4]   queued:transactional  zset
-- KEYS[5]   queued:bulk           zset
-- KEYS[6…]  two per intent: intent:<id> hash, held:<application> zset
-- ARGV      how long an ended intent is kept ms, how long a letter is kept ms, then one id per intent
-- derived   letter:<letter> (of an intent that is a replay)
-- returns   {<id> *}, those that expired
-- cost      O(intents × log ledger); the caller bounds how many
-- moves     intent queued | retrying | held → expired (expire); letter replaying → open (unsent)
-- again     another answer, changes nothing: an intent that expired is final
-- memory    works in a full Redis: the first write is ZREM
local now = now_ms()
local expired = {}
for i = 3, #ARGV do
  local id, row, held = ARGV[i], KEYS[i * 2], KEYS[1 + i * 2]
  local at = redis.call('ZSCORE', KEYS[1], id)
  if at and tonumber(at) <= now then
    local state = redis.call('HGET', row, 'state')
    if state == 'queued' or state == 'retrying' or state == 'held' then
      redis.call('ZREM', KEYS[2], id)
      redis.call('ZREM', KEYS[4], id)
      redis.call('ZREM', KEYS[5], id)
      redis.call('ZREM', held, id)
      finish_expired(row, id, state, now, ARGV[1], KEYS[1], KEYS[3], {})
      reopen_letter(row, id, 'expired', ARGV[2])
      expired[#expired + 1] = id
    elseif state ~= 'sending' then
      redis.call('ZREM', KEYS[1], id)
    end
  end
end
return expired

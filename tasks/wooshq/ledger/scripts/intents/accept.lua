-- accept.lua: takes intents into the ledger. Each of them is in the ledger after it, or was before, or clashes with an earlier one.
-- uses clock
-- KEYS[1]   queued:transactional  zset
-- KEYS[2]   queued:bulk           zset
-- KEYS[3]   expiry                zset
-- KEYS[4]   counts                hash
-- KEYS[5…]  two per intent: intent:<id> hash, then idem:<digest> string (the intent's own key again if it has no idempotency key)
-- ARGV[1]   how long an idempotency key is kept, ms
-- ARGV[2]   model version
-- ARGV[3…]  one per intent, seven lines (another argument costs the client more than another line costs here): id, digest of the body,
--           lane, application, expires_at ms or '', ttl ms or '', body
-- returns   {'' (new) | <id accepted earlier with the same body> | '!<id accepted earlier with another body>' *}, one per intent
-- cost      O(intents × log queued); the caller bounds how many
-- moves     intent → queued (new)
-- again     another answer, changes nothing: the first run's intents are known by their own ids
-- memory    refused by a full Redis: the first write is HSET
local now = now_ms()
local out = {}
local n = (#KEYS - 4) / 2
local LINES = '^([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n(.*)$'
for i = 1, n do
  local row, idem = KEYS[3 + 2 * i], KEYS[4 + 2 * i]
  local id, digest, lane, app, expires, ttl, body = string.match(ARGV[i + 2], LINES)
  local earlier
  if idem ~= row then
    local kept = redis.call('GET', idem)
    if kept and string.sub(kept, 1, 36) ~= id then
      local same = string.sub(kept, 38) == digest
      earlier = (same and '' or '!') .. string.sub(kept, 1, 36)
    end
  end
  if not earlier then
    local known = redis.call('HGET', row, 'digest')
    if known then
      earlier = known == digest and id or '!' .. id
    end
  end
  if earlier then
    out[i] = earlier
  else
    if ttl ~= '' then expires = now + tonumber(ttl) end
    redis.call('HSET', row, 'body', body, 'digest', digest, 'state', 'queued', 'lane', lane, 'app', app,
      'at', now, 'v', ARGV[2])
    if idem ~= row then redis.call('SET', idem, id .. ' ' .. digest, 'PX', ARGV[1]) end
    redis.call('ZADD', lane == 'bulk' and KEYS[2] or KEYS[1], now, id)
    if expires ~= '' then
      redis.call('HSET', row, 'expires', expires)
      redis.call('ZADD', KEYS[3], expires, id)
    end
    redis.call('HINCRBY', KEYS[4], 'accepted', 1)
    out[i] = ''
  end
end
return out

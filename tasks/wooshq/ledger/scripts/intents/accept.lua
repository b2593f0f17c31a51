-- accept.lua: takes intents into the ledger. Each of them is in the ledger after it, or was before, or clashes with an earlier one.
-- uses clock
-- uses queue
-- uses bells
-- uses row
-- KEYS[1]   expiry  zset
-- KEYS[2]   counts  hash
-- KEYS[3]   bells   hash
-- KEYS[4…]  two per intent: intent:<id> hash, then idem:<digest> string (the intent's own key again if it has no idempotency key)
-- ARGV[1]   how long an idempotency key is kept, ms
-- ARGV[2]   model version
-- ARGV[3…]  one per intent, seven lines (another argument costs the client more than another line costs here): id, digest of the body,
--           lane, application, expires_at ms or '', ttl ms or '', body; then, if any has one, the traces of all of them: a line each, '' for none
-- derived   queue:<lane>, ring:<lane>, telling, gone:<time>
-- returns   {<lanes whose bells the caller must ring, separated by blanks>, '' (new) | <id accepted earlier with the same body> |
--            '!<id accepted earlier with another body>' *}, one per intent after the first
-- cost      O(intents × log queue); the caller bounds how many
-- moves     intent → queued (new)
-- again     another answer, changes nothing: the first run's intents are known by their own ids
-- memory    refused by a full Redis: the first write is HSET or ZADD
local now = now_ms()
local now_text = string.format('%.0f', now)
local out = {}
local lanes, queues = {}, {}
local accepted = 0
local n = (#KEYS - 3) / 2
local ledger = string.sub(KEYS[1], 1, -7)
local some_gone = some_are_gone(ledger, now)
local traces = {}
for trace in string.gmatch(ARGV[n + 3] and ARGV[n + 3] .. '\n' or '', '([^\n]*)\n') do traces[#traces + 1] = trace end
local LINES = '^([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n([^\n]*)\n(.*)$'
for i = 1, n do
  local row, idem = KEYS[2 + 2 * i], KEYS[3 + 2 * i]
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
    if digest == '' then
      if redis.call('EXISTS', row) == 1 then earlier = id end
    else
      local known = redis.call('HMGET', row, 'state', 'digest')
      if known[1] then earlier = known[2] == digest and id or '!' .. id end
    end
    local gone = not earlier and some_gone and digest_of_gone(ledger, id, digest)
    if gone then earlier = gone == digest and id or '!' .. id end
  end
  if earlier then
    out[i + 1] = earlier
  else
    if ttl ~= '' then expires = now + tonumber(ttl) end
    local fields = {'state', 'queued', 'lane', lane, 'app', app, 'at', now_text, 'v', ARGV[2]}
    if digest ~= '' then fields[11], fields[12] = 'digest', digest end
    if (traces[i] or '') ~= '' then fields[#fields + 1], fields[#fields + 2] = 'trace', traces[i] end
    if expires ~= '' then
      fields[#fields + 1], fields[#fields + 2] = 'expires', expires
      redis.call('ZADD', KEYS[1], expires, id)
    end
    add_body(fields, body)
    redis.call('HSET', row, unpack(fields))
    if idem ~= row then redis.call('SET', idem, id .. ' ' .. digest, 'PX', ARGV[1]) end
    local prefix = prefix_of(row, id)
    local queue = prefix .. 'queue:' .. lane .. ':' .. app
    queues[queue] = queues[queue] or {prefix = prefix, lane = lane, app = app, ids = {}}
    table.insert(queues[queue].ids, id)
    accepted = accepted + 1
    out[i + 1] = ''
  end
end
if accepted == 0 then
  out[1] = ''
  return out
end
redis.call('HINCRBY', KEYS[2], 'accepted', accepted)
local bells = {}
for queue, waiting in pairs(queues) do
  local scores = {}
  for i, id in ipairs(waiting.ids) do
    scores[2 * i - 1], scores[2 * i] = now + i / 1024, id -- in this order, although all were accepted in the same ms
  end
  redis.call('ZADD', queue, unpack(scores))
  redis.call('ZADD', waiting.prefix .. 'ring:' .. waiting.lane, 'NX', turn_of(now, 0), waiting.app)
  lanes[waiting.lane] = true
end
for _, lane in ipairs({'transactional', 'bulk'}) do
  if lanes[lane] and must_ring(KEYS[3], lane, now) then bells[#bells + 1] = lane end
end
out[1] = table.concat(bells, ' ')
return out
